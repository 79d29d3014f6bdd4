// Input: one byte that chooses the reader, then what a key service answers or a shared file holds.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "identity/aws/answers.hpp"
#include "identity/aws/chain.hpp"
#include "identity/oauth/sts_answer.hpp"

using namespace keyward;
using namespace keyward::identity;

namespace {

bool is_one_word(std::string_view text) {
  for (const char c : text)
    if (c <= ' ' || c >= 0x7f) return false;
  return true;
}

// Keys become headers: nothing in them may end a line.
void check(const Result<AwsKeys>& keys) {
  if (!keys) return;
  const auto& pair = keys->pair;
  if (pair.access_key_id.empty() || pair.secret_access_key.empty()) std::abort();
  if (!is_one_word(pair.access_key_id) || !is_one_word(pair.session_token.reveal())) std::abort();
}

// What is not used says why in one line.
void check_grant_answer(std::string_view text) {
  for (const int status : {200, 400, 503}) {
    const auto keys = read_sts_answer({status, "text/xml", "", text}, TimePoint());
    if (keys && !is_one_word(keys->pair.session_token.reveal())) std::abort();
    if (!keys && keys.error().error.what.find_first_of("\r\n") != std::string::npos) std::abort();
  }
}

void read_files(std::string_view text) {
  for (const SharedFile kind : {SharedFile::config, SharedFile::credentials}) {
    AwsProfiles profiles;
    if (!parse_shared_file(text, kind, "f", profiles)) continue;
    for (const auto& [name, profile] : profiles) {
      const EnvironmentMap environment = {{"AWS_PROFILE", name}};
      const SecretVariables none;
      const AwsSettings settings{environment, none, profiles, "session"};
      (void)choose_source(settings);
      const auto choice = parse_aws_choice("profile:" + name);
      const auto source = choose_source(settings, choice.value_or(AwsChoice()));
      if (!source) continue;
      for (const std::string& path : token_files(**source))
        if (path.empty()) std::abort();
      (void)starts_program(**source);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      check(parse_sts_answer(text));
      check_grant_answer(text);
      break;
    case 1:
      if (!is_one_word(sts_problem(text).text.substr(0, 1))) std::abort();
      break;
    case 2:
      check(parse_metadata_answer(text));
      break;
    case 3:
      check(parse_process_answer(text));
      break;
    default:
      read_files(text);
      (void)split_command(text);
  }
  return 0;
}
