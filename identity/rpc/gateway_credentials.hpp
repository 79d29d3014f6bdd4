#pragma once
// TLS of the channel to the gateway: who it must be, and what is presented to it.

#include <grpcpp/security/credentials.h>

#include <memory>

#include "identity/rpc/endpoint.hpp"

namespace keyward::identity {

// The gateway's certificate leads to `endpoint.ca_pem` and has the URL's host or
// `endpoint.server_name` as its name; where `endpoint.spiffe_id` is set, it is that identity's
// X.509-SVID in place of a name.  `tls` false: in clear text.
std::shared_ptr<grpc::ChannelCredentials> gateway_credentials(const GatewayEndpoint& endpoint,
                                                              bool tls);

}  // namespace keyward::identity
