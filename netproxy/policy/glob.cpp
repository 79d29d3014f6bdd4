#include "netproxy/policy/glob.hpp"

#include <vector>

namespace keyward::netproxy {
namespace {

// One pattern element against one character.  `size` is the length of the element in the pattern.
struct Element {
  std::size_t size = 1;
  bool matches = false;
};

Element match_set(std::string_view pattern, char c) {
  const auto end =
      pattern.find(']', 2);  // a set is never empty, so a ']' right after the opening is a member
  const bool negated = pattern[1] == '!' || pattern[1] == '^';
  bool found = false;
  for (std::size_t i = negated ? 2 : 1; i < end; ++i) {
    if (i + 2 < end && pattern[i + 1] == '-') {
      found = found || (c >= pattern[i] && c <= pattern[i + 2]);
      i += 2;
    } else {
      found = found || c == pattern[i];
    }
  }
  return {end + 1, found != negated};
}

Element match_one(std::string_view pattern, char c) {
  if (pattern[0] == '?') return {1, true};
  if (pattern[0] == '[' && pattern.find(']', 2) != std::string_view::npos)
    return match_set(pattern, c);
  return {1, pattern[0] == c};
}

// The classic two-pointer match: after a mismatch only the last star is tried one character
// further.
bool star_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
      continue;
    }
    if (p < pattern.size()) {
      const Element element = match_one(pattern.substr(p), text[t]);
      if (element.matches) {
        p += element.size;
        ++t;
        continue;
      }
    }
    if (star == std::string_view::npos) return false;
    p = star + 1;
    t = ++resume;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string_view first_label(std::string_view name) { return name.substr(0, name.find('.')); }

std::string_view after_label(std::string_view name) {
  const auto dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
}

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

bool host_matches(std::string_view pattern, std::string_view host) {
  if (pattern.find('*') == std::string_view::npos) return pattern == host;
  if (first_label(pattern) == "**") {
    const std::string_view rest = after_label(pattern);
    return host.size() > rest.size() + 1 && host.ends_with(rest) &&
           host[host.size() - rest.size() - 1] == '.';
  }
  while (!pattern.empty() && !host.empty()) {
    const std::string_view wanted = first_label(pattern), label = first_label(host);
    if (label.empty() || !star_matches(wanted, label)) return false;
    pattern = after_label(pattern);
    host = after_label(host);
  }
  return pattern.empty() && host.empty();
}

Result<> check_host_pattern(std::string_view pattern) {
  const std::string shown(pattern);
  if (pattern.find('*') == std::string_view::npos) return {};
  std::size_t literal_labels = 0;  // at the end of the pattern
  bool first = true;
  for (std::string_view rest = pattern; !rest.empty(); rest = after_label(rest), first = false) {
    const std::string_view label = first_label(rest);
    if (label.empty()) return fail(Code::invalid, "host pattern " + shown + ": empty label");
    const bool star = label.find('*') != std::string_view::npos;
    if (star && !first && label != "*")
      return fail(Code::invalid,
                  "host pattern " + shown + ": a partial * is for the first label only");
    if (label.find("**") != std::string_view::npos && !(first && label == "**"))
      return fail(Code::invalid, "host pattern " + shown + ": ** must be the whole first label");
    literal_labels = star ? 0 : literal_labels + 1;
  }
  if (literal_labels < 2)
    return fail(Code::invalid,
                "host pattern " + shown +
                    ": the last two labels must not be stars, or it opens whole top-level domains");
  return {};
}

bool path_matches(std::string_view pattern, std::string_view path) {
  return star_matches(pattern, path);
}

Result<> check_path_pattern(std::string_view pattern) {
  if (!pattern.starts_with('/') && !pattern.starts_with('*'))
    return fail(Code::invalid, "path pattern " + std::string(pattern) + ": must begin with / or *");
  if (pattern.size() > 4096)
    return fail(Code::invalid, "path pattern: longer than 4096 characters");
  return {};
}

// The two-pointer match again, with path components as characters and `**` as the star.
bool program_matches(std::string_view pattern, std::string_view path) {
  const std::vector<std::string_view> wanted = components(pattern), given = components(path);
  std::size_t p = 0, t = 0;
  std::size_t star = wanted.size(), resume = 0;
  while (t < given.size()) {
    if (p < wanted.size() && wanted[p] == "**") {
      star = p++;
      resume = t;
    } else if (p < wanted.size() && star_matches(wanted[p], given[t])) {
      ++p;
      ++t;
    } else if (star != wanted.size()) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < wanted.size() && wanted[p] == "**") ++p;
  return p == wanted.size();
}

}  // namespace keyward::netproxy
