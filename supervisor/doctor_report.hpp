#pragma once
// What `supervisor doctor` has found, and how it is shown.  Pure.

#include <string>
#include <vector>

namespace keyward::supervisor {

enum class Health {
  good,
  note,  // worth knowing, and nothing that keeps a sandbox from running
  fix
};

struct Finding {
  std::string check;  // one word
  Health health = Health::good;
  std::string detail;   // one line: what is there, or what is wrong and the remedy; no secret
  std::string verdict;  // of a SPIFFE agent: retry, not_registered, misconfigured; else empty
};
using Findings = std::vector<Finding>;

// One line for each.
std::string findings_text(const Findings& findings, bool colours);
// {"ok": BOOL, "checks": [{"check", "health": "ok|note|fix", "detail", "verdict"}]}, in one line.
std::string findings_json(const Findings& findings);

bool has_something_to_fix(const Findings& findings);

}  // namespace keyward::supervisor
