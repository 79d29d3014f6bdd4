#pragma once
// The proposals of one sandbox in the store, and their history.

#include <string>
#include <vector>

#include "gateway/rpc/call_context.hpp"
#include "policies.pb.h"

namespace keyward::gateway {

class DraftBook {
 public:
  static constexpr std::size_t chunks_limit = 200,  // that are pending
      decided_limit = 200, history_limit = 500;

  // `sandbox` outlives the book.
  DraftBook(const CallContext& call, const SandboxRow& sandbox) : call_(call), sandbox_(sandbox) {}

  struct Entry {
    openshell::v1::PolicyChunk chunk;
    std::uint64_t version = 0;  // in the store; 0: not there yet
  };
  Result<std::vector<Entry>> entries() const;  // by age
  // Code::not_found; Code::precondition where its status is another.
  Result<Entry> find(const std::string& id, const std::string& status) const;
  Result<> put(const Entry& entry);  // Code::conflict: somebody else changed it meanwhile
  // As put() of a changed status, where it was `was`: that the sandbox counts it up meanwhile does
  // not matter.  Code::conflict, ::precondition, ::not_found: somebody else has decided or edited.
  Result<> decide(Entry entry, const std::string& was);
  // False where it is not pending (any more).
  Result<bool> discard(const std::string& id);
  Result<> trim();  // forgets the oldest of the decided ones

  // What happened, for people.  A chunk that is named nowhere else: "".
  Result<> note(const std::string& event, const std::string& description,
                const std::string& chunk_id);
  Result<openshell::v1::GetDraftHistoryResponse> history() const;

 private:
  const CallContext& call_;
  const SandboxRow& sandbox_;
};

}  // namespace keyward::gateway
