#pragma once
// Whether a client may have its request signed: --verify-chunks.  Pure, but for the keys it asks
// for.

#include <optional>

#include "netproxy/io/chunk_sides.hpp"
#include "netproxy/sigv4/verifier.hpp"
#include "sigv4proxy/upstream.hpp"

namespace keyward::sigv4proxy {

// Who signed the chunks of the body, when it comes in signed chunks; nothing for other bodies of a
// request whose signature holds.  `head` is as the client sent it.
netproxy::S3Result<std::optional<netproxy::ChunkAuthor>> check_client(
    const netproxy::RequestHead& head, const netproxy::SigningTarget& target, TimePoint now,
    netproxy::VerificationKeys& keys);

}  // namespace keyward::sigv4proxy
