#pragma once
// Providers: named sets of credentials that sandboxes are given.  No answer holds a credential's
// value.

#include <optional>

#include "gateway/rpc/call_context.hpp"
#include "providers.pb.h"

namespace keyward::gateway {

// Name, variables, values, that the credentials are bound somewhere and are those of the profile
// that `row.type` names (none are needed where that has token grants), and that keys can be derived
// from them where that is asked for.  That profile, which must still be there when the row is
// stored; none: it is built in.
Result<std::optional<RecordVersion>> check_provider(Store& store, const ProviderRow& row);

// What an UpdateProvider says (an absent credential stays, an empty value deletes), checked and
// stored; as it is stored then.
Result<ProviderOutline> change_provider(Store& store,
                                        const openshell::v1::UpdateProviderRequest& request);

void fill(const ProviderOutline& row, openshell::datamodel::v1::Provider& provider);

Result<> create_provider(const CallContext& call,
                         const openshell::v1::CreateProviderRequest& request,
                         openshell::v1::ProviderResponse& response);
Result<> get_provider(const CallContext& call, const openshell::v1::GetProviderRequest& request,
                      openshell::v1::ProviderResponse& response);
Result<> list_providers(const CallContext& call, const openshell::v1::ListProvidersRequest& request,
                        openshell::v1::ListProvidersResponse& response);
Result<> update_provider(const CallContext& call,
                         const openshell::v1::UpdateProviderRequest& request,
                         openshell::v1::ProviderResponse& response);
Result<> delete_provider(const CallContext& call,
                         const openshell::v1::DeleteProviderRequest& request,
                         openshell::v1::DeleteProviderResponse& response);

}  // namespace keyward::gateway
