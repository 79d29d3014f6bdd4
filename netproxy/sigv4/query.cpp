#include "netproxy/sigv4/query.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "netproxy/policy/percent.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::array<std::string_view, 10> authentication = {
    "x-amz-algorithm",      "x-amz-credential",     "x-amz-date",           "x-amz-expires",
    "x-amz-signedheaders",  "x-amz-signature",      "x-amz-security-token", "x-amz-region-set",
    "x-amz-content-sha256", "x-amz-s3session-token"};

}  // namespace

Result<std::vector<QueryItem>> query_items(std::string_view target) {
  std::vector<QueryItem> items;
  const auto mark = target.find('?');
  if (mark == std::string_view::npos) return items;
  for (std::string_view rest = target.substr(mark + 1); !rest.empty();) {
    const std::string_view raw = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), raw.size() + 1));
    if (raw.empty()) continue;
    const auto equals = raw.find('=');
    TRY_ASSIGN(std::string name, percent_decode(raw.substr(0, equals)));
    TRY_ASSIGN(std::string value,
               percent_decode(equals == std::string_view::npos ? "" : raw.substr(equals + 1)));
    items.push_back({raw, std::move(name), std::move(value)});
  }
  return items;
}

Result<std::string> without_query_items(std::string_view target,
                                        const std::function<bool(const QueryItem&)>& drop) {
  TRY_ASSIGN(const std::vector<QueryItem> items, query_items(target));
  std::string kept(target.substr(0, target.find('?')));
  char separator = '?';
  for (const QueryItem& item : items) {
    if (drop(item)) continue;
    kept.append(1, separator).append(item.raw);
    separator = '&';
  }
  return kept;
}

bool is_query_authentication(std::string_view name) {
  return std::find(authentication.begin(), authentication.end(), lower(name)) !=
         authentication.end();
}

}  // namespace keyward::netproxy
