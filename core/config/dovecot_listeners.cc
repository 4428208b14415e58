// Who listens where: service sections with their inet and unix listeners, `listen`, `protocols`, TLS.
#include <algorithm>
#include <array>

#include "core/base/ascii.h"
#include "core/config/dovecot_settings.h"
#include "core/config/postfix_tls.h"
#include "core/config/registry.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

struct InetListener {
  std::string name;
  std::string address;  // empty: `listen`
  uint64_t port = 0;    // 0: off
  bool ssl = false;
  Place place;
};

struct LoginService {
  std::string_view service;
  std::string_view protocol;  // in `protocols`
  Protocol kind;
  std::array<std::pair<std::string_view, uint16_t>, 2> defaults;  // listener and port; the second is the one with TLS
};
constexpr std::array<LoginService, 4> kServices = {{
    {"imap-login", "imap", Protocol::kImap, {{{"imap", 143}, {"imaps", 993}}}},
    {"pop3-login", "pop3", Protocol::kPop3, {{{"pop3", 110}, {"pop3s", 995}}}},
    {"lmtp", "lmtp", Protocol::kLmtp, {{{"", 0}, {"", 0}}}},
    {"auth", "", Protocol::kAuth, {{{"", 0}, {"", 0}}}},
}};
constexpr uint64_t kLmtpModeDefault = 0666;  // Dovecot's, for the socket "lmtp" alone

// Sections named `type` of a service, however often it was opened.
template <class Visit>
void ForEachListener(const DovecotSection& root, std::string_view service, std::string_view type, const Visit& visit) {
  for (const auto& section : root.sections) {
    if (section->type != "service" || (!service.empty() && section->name != service)) continue;
    for (const auto& inner : section->sections) {
      if (inner->type == type) visit(*section, *inner);
    }
  }
}

InetListener& FindOrAdd(std::vector<InetListener>* listeners, const std::string& name) {
  for (InetListener& listener : *listeners) {
    if (listener.name == name) return listener;
  }
  listeners->push_back({.name = name});
  return listeners->back();
}

void ReadListener(const DovecotSettings& settings, const DovecotSection& section, InetListener* listener) {
  listener->place = section.place;
  if (const DovecotSetting* port = section.Find("port")) {
    listener->place = port->place;
    const auto number = ParseUnsigned(port->value);
    listener->port = number.value_or(0);
    if (!number || *number > UINT16_MAX) {
      settings.findings().Error("dovecot-bad-value", port->place,
                                "port is \"" + port->value + "\": Dovecot would not start",
                                "write a number, 0 for off");
      listener->port = 0;
    }
  }
  if (const DovecotSetting* ssl = section.Find("ssl")) {
    const auto flag = ParseDovecotBool(ssl->value);
    if (!flag) {
      settings.findings().Error("dovecot-bad-value", ssl->place,
                                "ssl is \"" + ssl->value + "\" in a listener: Dovecot would not start",
                                "write yes or no");
    }
    listener->ssl = flag.value_or(true);
  }
  if (const DovecotSetting* address = section.Find("address")) listener->address = address->value;
  if (const DovecotSetting* proxy = section.Find("haproxy");
      proxy != nullptr && ParseDovecotBool(proxy->value).value_or(true)) {
    settings.findings().Error("dovecot-haproxy-unsupported", proxy->place,
                              "the proxy protocol is not supported: no client could connect here",
                              "write haproxy = no");
  }
}

std::vector<InetListener> ListenersOf(const DovecotSettings& settings, const LoginService& service) {
  std::vector<InetListener> listeners;
  for (size_t i = 0; i < service.defaults.size(); ++i) {
    const auto& [name, port] = service.defaults[i];
    if (name.empty()) continue;
    listeners.push_back({.name = std::string(name),
                         .address = "",
                         .port = port,
                         .ssl = i == 1,
                         .place = {settings.root().place.file, 0}});
  }
  ForEachListener(settings.root(), service.service, "inet_listener",
                  [&](const DovecotSection&, const DovecotSection& section) {
                    ReadListener(settings, section, &FindOrAdd(&listeners, section.name));
                  });
  return listeners;
}

std::vector<IpAddress> Addresses(const DovecotSettings& settings, const std::string& text, const Place& place) {
  std::vector<IpAddress> addresses;
  for (const std::string& word : SplitWords(text, true)) {
    std::string_view bare = word;
    if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
    if (bare == "*") {
      addresses.push_back(*IpAddress::Parse("0.0.0.0"));
    } else if (const auto address = IpAddress::Parse(bare)) {
      addresses.push_back(*address);
    } else {
      const auto found = settings.files().HostAddresses(bare);
      if (found.empty()) {
        settings.findings().Error("dovecot-unknown-host", place,
                                  "\"" + word + "\" has no address: Dovecot would not start",
                                  "write an address of this host, * or ::");
      }
      addresses.insert(addresses.end(), found.begin(), found.end());
    }
  }
  return addresses;
}

// A unix socket's address has 108 bytes, the last of them NUL (unix(7)). A root folder in front counts too: adapters.
constexpr size_t kSocketPathBytesMax = 107;

// Which protocol Dovecot speaks on a socket of `service auth` is in the end of its name: auth-userdb, login/login.
bool SpeaksAuthClientProtocol(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  name = name.substr(name.rfind('-') + 1);
  static constexpr std::array<std::string_view, 5> kOthers = {"login", "master", "userdb", "token", "tokenlogin"};
  return std::find(kOthers.begin(), kOthers.end(), name) == kOthers.end();
}

// A socket goes to somebody who is to open it; where the host does not know him, nobody but the server may.
int64_t OwnerOf(const DovecotSettings& settings, const UnixListener& socket, bool is_user) {
  const std::string& name = is_user ? socket.user : socket.group;
  if (name.empty()) return -1;
  if (const auto number = ParseUnsigned(name); number && *number <= INT32_MAX) return static_cast<int64_t>(*number);
  const int64_t id = is_user ? settings.files().UserId(name) : settings.files().GroupId(name);
  if (id < 0) {
    settings.findings().Warning("dovecot-socket-owner", socket.place,
                                "\"" + name + "\" is no " + (is_user ? "user" : "group") +
                                    " of this host: Dovecot would not start, and here only root may open " +
                                    socket.path,
                                "create it, or write its number");
  }
  return id;
}

void AddUnixListeners(const DovecotSettings& settings, const std::vector<std::string>& protocols,
                      const std::shared_ptr<const TlsContext>& tls, const std::shared_ptr<const SmtpService>& lmtp,
                      std::vector<Listener>* listeners) {
  const bool serves_lmtp = std::find(protocols.begin(), protocols.end(), "lmtp") != protocols.end();
  std::vector<UnixListener> sockets = UnixListeners(settings);
  const std::string lmtp_path = NormalizePath(JoinPath(settings.Text("base_dir"), "lmtp"));
  if (serves_lmtp && std::none_of(sockets.begin(), sockets.end(),
                                  [&](const UnixListener& socket) { return socket.path == lmtp_path; })) {
    sockets.push_back(
        {.service = "lmtp", .path = lmtp_path, .mode = kLmtpModeDefault, .place = {settings.root().place.file, 0}});
  }
  for (const UnixListener& socket : sockets) {
    if (socket.mode == 0) continue;  // switched off
    Listener listener{.name = socket.service, .path = socket.path, .mode = static_cast<uint32_t>(socket.mode & 0777)};
    if (socket.service == "lmtp" && serves_lmtp) {
      listener.protocol = Protocol::kLmtp;
      listener.smtp = lmtp;
      listener.tls = tls;
    } else if (socket.service == "auth") {
      if (!SpeaksAuthClientProtocol(socket.path)) {
        settings.findings().Notice("auth-socket-without-effect", socket.place,
                                   "the socket " + socket.path + " will not be there: it is for Dovecot's own programs",
                                   "nothing, where no other program asks it");
        continue;
      }
      listener.protocol = Protocol::kAuth;
    } else {
      continue;
    }
    if (socket.path.size() > kSocketPathBytesMax) {
      settings.findings().Error("dovecot-socket-path", socket.place,
                                "the path " + socket.path + " has more than the " +
                                    std::to_string(kSocketPathBytesMax) + " bytes a unix socket can have",
                                "choose a shorter path");
      continue;
    }
    listener.uid = OwnerOf(settings, socket, true);
    listener.gid = OwnerOf(settings, socket, false);
    listeners->push_back(std::move(listener));
  }
}

}  // namespace

std::vector<std::string> ServedProtocols(const DovecotSettings& settings) {
  std::vector<std::string> protocols;
  if (!settings.IsSet("protocols")) {
    settings.findings().Notice(
        "dovecot-protocols-unset", {settings.root().place.file, 0},
        "nothing sets protocols (on Debian the files of protocols.d do): imap and pop3 are served",
        "write protocols = imap pop3");
    return {"imap", "pop3"};
  }
  for (const std::string& word : settings.Words("protocols")) {
    const std::string name = LowerCase(word);
    const Place place = settings.PlaceOf("protocols");
    if (name == "none") continue;
    if (name == "imap" || name == "pop3" || name == "lmtp") {
      if (std::find(protocols.begin(), protocols.end(), name) == protocols.end()) protocols.push_back(name);
    } else if (name == "imaps" || name == "pop3s") {
      settings.findings().Warning("dovecot-protocol-old", place, "\"" + name + "\" is an old name of a listener",
                                  "remove it: the listener is there with ssl = yes");
    } else if (name == "sieve" || name == "submission" || name == "doveadm") {
      settings.findings().Warning("dovecot-protocol-unsupported", place, "protocol " + name + " will not be served",
                                  "remove it if you can do without");
    } else {
      settings.findings().Error("dovecot-protocol-unknown", place,
                                "\"" + word + "\" is no protocol: Dovecot would not start", "correct its name");
    }
  }
  return protocols;
}

void AddDovecotListeners(const DovecotSettings& settings, uint16_t port_offset,
                         const std::shared_ptr<const SmtpService>& lmtp, std::vector<Listener>* listeners) {
  const std::vector<std::string> protocols = ServedProtocols(settings);
  const std::shared_ptr<const TlsContext> tls = BuildDovecotTls(settings);
  const bool tls_off = settings.Text("ssl") == "no";
  for (const LoginService& service : kServices) {
    if (!service.protocol.empty() &&
        std::find(protocols.begin(), protocols.end(), service.protocol) == protocols.end()) {
      continue;
    }
    for (const InetListener& inet : ListenersOf(settings, service)) {
      if (inet.port == 0 || (inet.ssl && tls_off)) continue;
      Listener listener{.protocol = service.kind, .implicit_tls = inet.ssl, .tls = tls, .name = inet.name};
      if (service.kind == Protocol::kLmtp) listener.smtp = lmtp;
      const bool own_address = !inet.address.empty();
      for (const IpAddress& address : Addresses(settings, own_address ? inet.address : settings.Text("listen"),
                                                own_address ? inet.place : settings.PlaceOf("listen"))) {
        listener.endpoint = {address, static_cast<uint16_t>(inet.port + port_offset)};
        listeners->push_back(listener);
        if (service.kind == Protocol::kAuth && !address.IsLoopback()) {
          settings.findings().Security("auth-socket-inet", inet.place,
                                       "whoever reaches port " + std::to_string(inet.port) +
                                           " may try passwords there, and they cross the network in clear",
                                       "write address = 127.0.0.1, or use a unix_listener");
        }
      }
    }
  }
  AddUnixListeners(settings, protocols, tls, lmtp, listeners);
}

std::shared_ptr<const TlsContext> BuildDovecotTls(const DovecotSettings& settings) {
  const std::string mode = settings.Text("ssl");
  if (mode == "no") return nullptr;
  FindingList& findings = settings.findings();
  if (mode != "yes" && mode != "required") {
    findings.Error("dovecot-bad-value", settings.PlaceOf("ssl"), "ssl is \"" + mode + "\": Dovecot would not start",
                   "write yes, no or required");
  }
  auto context = std::make_shared<TlsContext>();
  context->name = "dovecot";
  for (const std::string_view key : {"ssl_cert", "ssl_key"}) {
    const bool is_certificate = key == "ssl_cert";
    std::string& pem = is_certificate ? context->certificate_pem : context->key_pem;
    const DovecotSetting* setting = settings.Find(key);
    if (setting == nullptr || setting->value.empty()) {
      findings.Error("tls-no-certificate", settings.PlaceOf("ssl"),
                     "ssl is " + mode + " and " + std::string(key) + " is not set: Dovecot's logins would not start",
                     "set ssl_cert and ssl_key, or ssl = no");
    } else if (setting->from_file) {
      pem = ReadPem(settings.files(), setting->value, key, setting->place, &findings);
      (is_certificate ? context->certificate_path : context->key_path) = setting->value;
    } else if (setting->value.find("-----BEGIN") != std::string::npos) {
      pem = setting->value;
    } else {
      findings.Error("dovecot-cert-without-less-than", setting->place,
                     std::string(key) + " is the text \"" + setting->value +
                         "\" itself, not the file of that name: there would be no TLS",
                     "write " + std::string(key) + " = <" + setting->value);
    }
  }
  context->min_protocol = settings.Text("ssl_min_protocol");
  static constexpr std::array<std::string_view, 5> kVersions = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", "LATEST"};
  if (std::find(kVersions.begin(), kVersions.end(), context->min_protocol) == kVersions.end()) {
    if (context->min_protocol != "ANY" && context->min_protocol != "SSLv3") {
      findings.Error("tls-version", settings.PlaceOf("ssl_min_protocol"),
                     "\"" + context->min_protocol + "\" is no version of TLS", "write TLSv1.2");
    }
    context->min_protocol = context->min_protocol == "ANY" || context->min_protocol == "SSLv3" ? "TLSv1" : "TLSv1.2";
  } else if (context->min_protocol == "LATEST") {
    context->min_protocol = "TLSv1.3";
  }
  if (settings.Text("ssl_cipher_list") != DovecotDefault("ssl_cipher_list")) {
    context->ciphers = settings.Text("ssl_cipher_list");
  }
  context->prefer_server_ciphers = settings.Bool("ssl_prefer_server_ciphers");
  return context;
}

std::vector<UnixListener> UnixListeners(const DovecotSettings& settings) {
  std::vector<UnixListener> sockets;
  const std::string base = settings.Text("base_dir");
  const std::string lmtp_default = NormalizePath(JoinPath(base, "lmtp"));
  ForEachListener(settings.root(), "", "unix_listener",
                  [&](const DovecotSection& service, const DovecotSection& section) {
                    // A section that comes again adds to what it said before.
                    const std::string path = NormalizePath(JoinPath(base, section.name));
                    auto found = std::find_if(sockets.begin(), sockets.end(), [&](const UnixListener& socket) {
                      return socket.service == service.name && socket.path == path;
                    });
                    if (found == sockets.end()) {
                      sockets.push_back({.service = service.name, .path = path, .place = section.place});
                      found = sockets.end() - 1;
                      if (service.name == "lmtp" && path == lmtp_default) found->mode = kLmtpModeDefault;
                    }
                    if (section.Find("user") != nullptr) found->user = section.Value("user");
                    if (section.Find("group") != nullptr) found->group = section.Value("group");
                    if (const DovecotSetting* mode = section.Find("mode")) {
                      const auto octal = ParseOctal(mode->value);
                      if (!octal) {
                        settings.findings().Error("dovecot-bad-value", mode->place,
                                                  "mode is \"" + mode->value + "\": Dovecot would not start",
                                                  "write an octal number such as 0660");
                      }
                      found->mode = octal.value_or(0600);
                      found->place = mode->place;
                    }
                  });
  return sockets;
}

}  // namespace postern::config
