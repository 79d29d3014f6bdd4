#include "identity/grant/selector.hpp"

#include <algorithm>
#include <vector>

#include "netproxy/guard/address.hpp"
#include "netproxy/policy/glob.hpp"

namespace keyward::identity {
namespace {

bool is_every_path(std::string_view path) { return path.empty() || path == "**" || path == "/**"; }

// `/a` of `/a/**`, where `/a` itself has no star; empty elsewhere.
std::string_view root_of_subtree(std::string_view path) {
  if (!path.ends_with("/**") || path.size() == 3) return {};
  return path.substr(0, path.size() - 3);
}

bool path_selects(std::string_view pattern, std::string_view path) {
  if (is_every_path(pattern) || netproxy::path_matches(pattern, path)) return true;
  const std::string_view root = root_of_subtree(pattern);
  return !root.empty() && netproxy::path_matches(root, path);
}

std::vector<std::string_view> labels_of(std::string_view host) {
  std::vector<std::string_view> labels;
  for (;;) {
    const auto dot = host.find('.');
    labels.push_back(host.substr(0, dot));
    if (dot == std::string_view::npos) return labels;
    host.remove_prefix(dot + 1);
  }
}

// One element of a path pattern: a star, any one character, or a character.
enum class Kind { star, any, character };
struct Element {
  Kind kind = Kind::character;
  char character = 0;
};
using Elements = std::vector<Element>;

Elements elements_of(std::string_view pattern) {
  Elements elements;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const auto end = pattern[i] == '[' ? pattern.find(']', i + 2) : std::string_view::npos;
    if (pattern[i] == '*') {
      if (elements.empty() || elements.back().kind != Kind::star) elements.push_back({Kind::star});
    } else if (pattern[i] == '?' || end != std::string_view::npos) {
      elements.push_back({Kind::any});
      if (end != std::string_view::npos) i = end;
    } else {
      elements.push_back({Kind::character, pattern[i]});
    }
  }
  return elements;
}

bool meet(const Element& a, const Element& b) {
  return a.kind == Kind::any || b.kind == Kind::any || a.character == b.character;
}

// Row by row: can the rest of `a` from i and the rest of `b` from j match one text?
bool elements_meet(const Elements& a, const Elements& b) {
  std::vector<bool> below(b.size() + 1), row(b.size() + 1);
  for (std::size_t i = a.size() + 1; i-- > 0;) {
    for (std::size_t j = b.size() + 1; j-- > 0;) {
      const bool a_ends = i == a.size(), b_ends = j == b.size();
      const bool a_star = !a_ends && a[i].kind == Kind::star;
      const bool b_star = !b_ends && b[j].kind == Kind::star;
      bool possible = a_ends && b_ends;
      // A star matches nothing more, or takes what the other one has next.
      if (a_star) possible = below[j] || (!b_ends && row[j + 1]);
      if (b_star) possible = possible || row[j + 1] || (!a_ends && below[j]);
      if (!a_star && !b_star && !a_ends && !b_ends) possible = meet(a[i], b[j]) && below[j + 1];
      row[j] = possible;
    }
    std::swap(row, below);
  }
  return below[0];
}

bool patterns_meet(std::string_view a, std::string_view b) {
  return elements_meet(elements_of(a), elements_of(b));
}

bool paths_overlap(std::string_view a, std::string_view b) {
  if (is_every_path(a) || is_every_path(b)) return true;
  const std::string_view root_a = root_of_subtree(a), root_b = root_of_subtree(b);
  return patterns_meet(a, b) || (!root_a.empty() && patterns_meet(root_a, b)) ||
         (!root_b.empty() && patterns_meet(a, root_b)) ||
         (!root_a.empty() && !root_b.empty() && patterns_meet(root_a, root_b));
}

bool hosts_overlap(std::string_view a, std::string_view b) {
  std::vector<std::string_view> left = labels_of(a), right = labels_of(b);
  if (left[0] != "**" && right[0] != "**" && left.size() != right.size()) return false;
  // From the right: `**` is one label or more, and stands first.
  for (;;) {
    const std::string_view x = left.back(), y = right.back();
    if (x == "**" || y == "**") return true;  // there is a label left for it
    if (!patterns_meet(x, y)) return false;
    left.pop_back();
    right.pop_back();
    if (left.empty() || right.empty()) return left.empty() && right.empty();
  }
}

bool host_is_within(std::string_view inner, std::string_view outer) {
  if (inner == outer) return true;
  if (inner.find('*') == std::string_view::npos) return netproxy::host_matches(outer, inner);
  const auto wide = labels_of(outer), narrow = labels_of(inner);
  if (wide[0] == "**") {  // one label or more before the same end, stars included
    const std::string_view rest = outer.substr(std::min<std::size_t>(3, outer.size()));
    return inner.size() > rest.size() + 1 && inner.ends_with(rest) &&
           inner[inner.size() - rest.size() - 1] == '.';
  }
  if (narrow[0] == "**" || narrow.size() != wide.size()) return false;
  return std::equal(narrow.begin(), narrow.end(), wide.begin(), [](auto small, auto large) {
    return large == "*" || small == large ||
           (small.find('*') == std::string_view::npos && netproxy::path_matches(large, small));
  });
}

bool path_is_within(std::string_view inner, std::string_view outer) {
  if (is_every_path(outer) || inner == outer) return true;
  if (is_every_path(inner)) return false;
  if (inner.find_first_of("*?[") == std::string_view::npos) return path_selects(outer, inner);
  const std::string_view root = root_of_subtree(outer);
  if (root.empty() || root.find_first_of("*?[") != std::string_view::npos) return false;
  const std::string_view start = inner.substr(0, inner.find_first_of("*?["));
  return start.size() > root.size() && start.starts_with(root) && start[root.size()] == '/';
}

int count_characters(std::string_view pattern) {
  return static_cast<int>(
      std::count_if(pattern.begin(), pattern.end(), [](char c) { return c != '*'; }));
}

void rank_host(std::string_view host, Specificity& rank) {
  if (host.find('*') == std::string_view::npos) {
    rank.host_exact = 1;  // two exact hosts that meet are the same
    return;
  }
  const auto labels = labels_of(host);
  for (const std::string_view label : labels)
    rank.host_labels += label.find('*') == std::string_view::npos ? 1 : 0;
  if (labels[0] == "**") return;
  const bool within = labels[0] != "*" && labels[0].find('*') != std::string_view::npos;
  rank.host_star = within ? 2 : 1;
  rank.host_characters = within ? count_characters(labels[0]) : 0;
}

void rank_path(std::string_view path, Specificity& rank) {
  if (is_every_path(path)) return;
  const auto star = path.find_first_of("*?[");
  rank.path_form = star == std::string_view::npos ? 2 : 1;
  rank.path_prefix = static_cast<int>(std::min(star, path.size()));
  rank.path_characters = count_characters(path);
}

// An IPv6 literal in its one spelling, or what the one parser of bindings reads as a host alone.
Result<> check_host(const std::string& host) {
  const bool v6 = host.find(':') != std::string::npos;
  if (v6) {
    const auto address = netproxy::parse_address(host);
    if (address && netproxy::to_string(*address) == host) return {};
    return fail(Code::invalid, "binding: the host is no IPv6 address in its usual form");
  }
  TRY_ASSIGN(const Selector read, netproxy::parse_binding(host));
  if (read.host != host || !read.path.empty())
    return fail(Code::invalid, "binding: the host is no lower-case pattern");
  return netproxy::check_host_pattern(host);
}

}  // namespace

bool selects(const Selector& selector, const RequestTarget& target) {
  return (selector.port == 0 || selector.port == target.port) &&
         netproxy::host_matches(selector.host, target.host) &&
         path_selects(selector.path, target.path);
}

Specificity specificity_of(const Selector& selector) {
  Specificity rank;
  rank_host(selector.host, rank);
  rank_path(selector.path, rank);
  rank.port_given = selector.port == 0 ? 0 : 1;
  return rank;
}

bool overlaps(const Selector& a, const Selector& b) {
  return (a.port == 0 || b.port == 0 || a.port == b.port) && hosts_overlap(a.host, b.host) &&
         paths_overlap(a.path, b.path);
}

bool is_within(const Selector& inner, const Selector& outer) {
  return (outer.port == 0 || inner.port == outer.port) && host_is_within(inner.host, outer.host) &&
         path_is_within(inner.path, outer.path);
}

Result<> check_selector(const Selector& selector) {
  TRY(check_host(selector.host));
  if (selector.path.empty()) return {};
  return netproxy::check_path_pattern(selector.path);
}

}  // namespace keyward::identity
