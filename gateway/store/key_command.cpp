#include "gateway/store/key_command.hpp"

#include "gateway/store/sealing.hpp"

namespace keyward::gateway {

Result<Secret> read_store_key_from(const std::string& program, const ProgramLimits& limits) {
  const std::string where = "--key-command " + program;
  auto output = program_output({program}, limits);
  if (!output) return fail_at(where, std::move(output).error());
  auto key = store_key_of(*output);
  if (!key) return fail_at(where, std::move(key).error());
  return key;
}

}  // namespace keyward::gateway
