#include "supervisor/doctor_report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace keyward::supervisor {
namespace {

struct Words {
  const char *plain, *coloured;
};

Words words_of(Health health) {
  switch (health) {
    case Health::good:
      return {"ok", "\x1b[32mok\x1b[0m"};
    case Health::note:
      return {"note", "\x1b[33mnote\x1b[0m"};
    case Health::fix:
      return {"fix", "\x1b[31mfix\x1b[0m"};
  }
  return {"", ""};
}

// To so many columns; colours take none.
std::string padded(std::string_view shown, std::string_view text, std::size_t columns) {
  std::string cell(shown);
  cell.append(columns > text.size() ? columns - text.size() : 1, ' ');
  return cell;
}

std::size_t count_to_fix(const Findings& findings) {
  return static_cast<std::size_t>(std::count_if(
      findings.begin(), findings.end(), [](const auto& f) { return f.health == Health::fix; }));
}

}  // namespace

bool has_something_to_fix(const Findings& findings) { return count_to_fix(findings) != 0; }

std::string findings_text(const Findings& findings, bool colours) {
  std::string text;
  for (const Finding& finding : findings) {
    const Words words = words_of(finding.health);
    text += padded(colours ? words.coloured : words.plain, words.plain, 6);
    text += padded(finding.check, finding.check, 13);
    if (!finding.verdict.empty()) text += finding.verdict + ": ";
    text += finding.detail + "\n";
  }
  const std::size_t count = count_to_fix(findings);
  if (count == 0) return text + "\nnothing to fix\n";
  return text + "\n" + std::to_string(count) + (count == 1 ? " thing" : " things") + " to fix\n";
}

std::string findings_json(const Findings& findings) {
  auto checks = nlohmann::json::array();
  for (const Finding& finding : findings) {
    checks.push_back({{"check", finding.check},
                      {"health", words_of(finding.health).plain},
                      {"detail", finding.detail}});
    if (!finding.verdict.empty()) checks.back()["verdict"] = finding.verdict;
  }
  const nlohmann::json all = {{"ok", !has_something_to_fix(findings)}, {"checks", checks}};
  return all.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace keyward::supervisor
