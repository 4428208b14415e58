#include "core/outbound/client_data.h"

namespace postern::outbound {

void DataWriter::Feed(std::string_view bytes, std::string* out) {
  while (!bytes.empty()) {
    if (held_cr_) {
      held_cr_ = false;
      if (bytes.front() != '\n') Text(" ", out);
    }
    const size_t line_end = bytes.find('\n');
    std::string_view line = bytes.substr(0, line_end);
    for (size_t cr = line.find('\r'); cr != std::string_view::npos; cr = line.find('\r')) {
      Text(line.substr(0, cr), out);
      line.remove_prefix(cr + 1);
      if (line.empty()) {  // it may belong to a line end
        held_cr_ = true;
      } else {
        Text(" ", out);
      }
    }
    Text(line, out);
    if (line_end == std::string_view::npos) return;
    held_cr_ = false;
    EndLine(out);
    bytes.remove_prefix(line_end + 1);
  }
}

void DataWriter::Finish(std::string* out) {
  if (held_cr_) Text(" ", out);
  held_cr_ = false;
  if (line_bytes_ > 0) EndLine(out);
  out->append(".\r\n");
}

void DataWriter::Text(std::string_view text, std::string* out) {
  if (text.empty()) return;
  // RFC 5321 section 4.5.2. What follows a fold begins with a space.
  if (line_bytes_ == 0 && text.front() == '.') out->push_back('.');
  while (line_bytes_max_ != 0 && text.size() > line_bytes_max_ - line_bytes_) {
    const size_t room = line_bytes_max_ - line_bytes_;
    out->append(text.substr(0, room));
    out->append("\r\n ");
    text.remove_prefix(room);
    line_bytes_ = 1;
    folded_ = true;
  }
  out->append(text);
  line_bytes_ += text.size();
}

void DataWriter::EndLine(std::string* out) {
  out->append("\r\n");
  line_bytes_ = 0;
}

}  // namespace postern::outbound
