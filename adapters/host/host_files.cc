#include "adapters/host/host_files.h"

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>

#include "adapters/host/errno_status.h"
#include "adapters/net/address.h"

namespace postern::host {
namespace {

struct CloseFile {
  void operator()(FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<FILE, CloseFile>;

struct UserFacts {
  int64_t uid = -1, gid = -1;
};

bool AllDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos && text.size() < 11;
}

// The user in the passwd file of the root folder, or in the host's database.
std::optional<UserFacts> FindUser(const Root& root, std::string_view name) {
  const std::string wanted(name);
  if (!root.folder().empty()) {
    if (const File file{std::fopen(root.Whole("/etc/passwd").c_str(), "re")}) {
      while (const passwd* each = fgetpwent(file.get())) {
        if (wanted == each->pw_name) return UserFacts{each->pw_uid, each->pw_gid};
      }
      return std::nullopt;
    }
  }
  passwd entry{};
  passwd* found = nullptr;
  std::string buffer(16384, '\0');
  getpwnam_r(wanted.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return std::nullopt;
  return UserFacts{found->pw_uid, found->pw_gid};
}

// Glob's own signs in `text` stand for themselves.
std::string EscapeGlob(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("*?[]\\{}~").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

FileState LookAt(const Root& root, const std::string& path) {
  struct stat found {};
  if (fstatat(root.dir_fd(), root.Relative(path), &found, 0) != 0) return {};
  return {.exists = true,
          .size_bytes = found.st_size,
          .mtime_ns = found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec,
          .ctime_ns = found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec,
          .inode = found.st_ino};
}

StatusOr<std::string> HostFiles::Read(std::string_view path) {
  POSTERN_RETURN_IF_ERROR(Root::Check(path));
  const std::string owned(path);
  if (!states_.contains(owned)) states_.emplace(owned, LookAt(*root_, owned));
  const UniqueFd fd(openat(root_->dir_fd(), root_->Relative(owned), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat facts {};
  if (!fd.valid() || fstat(fd.get(), &facts) != 0) return StatusFromErrno(errno, owned);
  if (S_ISDIR(facts.st_mode)) return InvalidArgument(owned + ": it is a folder");
  if (!S_ISREG(facts.st_mode)) return InvalidArgument(owned + ": it is no regular file");
  std::string bytes;
  char buffer[65536];
  while (true) {
    const ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return StatusFromErrno(errno, owned);
    if (got == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(got));
    if (bytes.size() > kFileBytesMax) return ResourceExhausted(owned + ": it is too long for a configuration file");
  }
}

std::vector<std::string> HostFiles::Glob(std::string_view pattern) {
  std::vector<std::string> paths;
  if (!Root::Check(pattern).ok()) return paths;
  if (std::find(globbed_.begin(), globbed_.end(), pattern) == globbed_.end()) globbed_.emplace_back(pattern);
  glob_t found{};
  const std::string whole = EscapeGlob(root_->folder()) + std::string(pattern);
  if (glob(whole.c_str(), 0, nullptr, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; ++i) {
      paths.emplace_back(std::string_view(found.gl_pathv[i]).substr(root_->folder().size()));
      if (!states_.contains(paths.back())) states_.emplace(paths.back(), LookAt(*root_, paths.back()));
    }
  }
  globfree(&found);
  std::sort(paths.begin(), paths.end());  // by bytes, whatever the locale says
  return paths;
}

StatusOr<config::FileSource::Facts> HostFiles::Stat(std::string_view path) {
  POSTERN_RETURN_IF_ERROR(Root::Check(path));
  const std::string owned(path);
  struct stat facts {};
  if (fstatat(root_->dir_fd(), root_->Relative(owned), &facts, 0) != 0) return StatusFromErrno(errno, owned);
  return Facts{.size_bytes = static_cast<uint64_t>(facts.st_size),
               .mtime_seconds = facts.st_mtim.tv_sec,
               .mode = facts.st_mode & 07777,
               .uid = facts.st_uid,
               .gid = facts.st_gid,
               .is_dir = S_ISDIR(facts.st_mode)};
}

int64_t HostFiles::UserId(std::string_view name) {
  const auto user = FindUser(*root_, name);
  if (user.has_value()) return user->uid;
  return AllDigits(name) ? std::stoll(std::string(name)) : -1;
}

int64_t HostFiles::PrimaryGroupOf(std::string_view user) { return FindUser(*root_, user).value_or(UserFacts{}).gid; }

int64_t HostFiles::OwnUserId() { return geteuid(); }

int64_t HostFiles::GroupId(std::string_view name) {
  const std::string wanted(name);
  if (!root_->folder().empty()) {
    if (const File file{std::fopen(root_->Whole("/etc/group").c_str(), "re")}) {
      while (const group* each = fgetgrent(file.get())) {
        if (wanted == each->gr_name) return each->gr_gid;
      }
      return AllDigits(name) ? std::stoll(wanted) : -1;
    }
  }
  group entry{};
  group* found = nullptr;
  std::string buffer(65536, '\0');
  getgrnam_r(wanted.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return found->gr_gid;
  return AllDigits(name) ? std::stoll(wanted) : -1;
}

uint16_t HostFiles::ServicePort(std::string_view name) {
  servent entry{};
  servent* found = nullptr;
  char buffer[4096];
  getservbyname_r(std::string(name).c_str(), "tcp", &entry, buffer, sizeof buffer, &found);
  return found == nullptr ? 0 : ntohs(static_cast<uint16_t>(found->s_port));
}

std::vector<IpAddress> HostFiles::InterfaceAddresses() {
  std::vector<IpAddress> addresses;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return addresses;
  for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr) continue;
    const int family = each->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage storage{};
    const size_t length = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    std::copy_n(reinterpret_cast<const char*>(each->ifa_addr), length, reinterpret_cast<char*>(&storage));
    addresses.push_back(net::FromSocketAddress(storage).address);
  }
  freeifaddrs(all);
  return addresses;
}

std::vector<IpAddress> HostFiles::HostAddresses(std::string_view name) {
  std::vector<IpAddress> addresses;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(std::string(name).c_str(), nullptr, &hints, &found) != 0) return addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    sockaddr_storage storage{};
    std::copy_n(reinterpret_cast<const char*>(each->ai_addr), each->ai_addrlen, reinterpret_cast<char*>(&storage));
    const IpAddress address = net::FromSocketAddress(storage).address;
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
  }
  freeaddrinfo(found);
  return addresses;
}

std::string HostFiles::HostName() {
  char name[256] = "localhost";
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace postern::host
