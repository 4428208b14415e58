"""Servers of a test's own: a listener, and a thread for each connection."""
import socket
import threading

TIMEOUT_S = 30  # for a thread to see that its connection has ended


class Server(threading.Thread):
    """A subclass says in serve(connection) what is done with a client; the connection is closed behind it. OSError ends it."""

    def __init__(self, address='127.0.0.1'):
        super().__init__(daemon=True)
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        self.listener = socket.create_server((address, 0), family=family, backlog=200)
        self.port = self.listener.getsockname()[1]
        self.connections = 0  # so far
        self.held = []        # (connection, thread) of those that may be open

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listener.close()
        for connection, thread in self.held:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended
            thread.join(TIMEOUT_S)

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self.serve_and_close, args=(connection,), daemon=True)
            self.held = [each for each in self.held if each[1].is_alive()] + [(connection, thread)]
            thread.start()

    def serve_and_close(self, connection):
        with connection:
            try:
                self.serve(connection)
            except OSError:
                pass
