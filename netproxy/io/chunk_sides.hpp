#pragma once
// The two signatures of an upload in signed chunks: the client's, with the placeholder, and ours.
// Pure.

#include "netproxy/credentials.hpp"
#include "netproxy/http/head.hpp"
#include "netproxy/sigv4/chunk_resigner.hpp"
#include "netproxy/sigv4/signer.hpp"
#include "netproxy/sigv4/verifier.hpp"

namespace keyward::netproxy {

// The client's side of a request whose head holds.
ChunkAuthor chunk_author(const VerifiedRequest& request);

// The client's side, if the head, as the client sent it, is signed with the placeholder: its
// signature is what the first chunk's builds on.
S3Result<ChunkAuthor> verify_chunk_author(const RequestHead& client_head,
                                          const Placeholder& placeholder,
                                          const SigningInput& input);

// Our side, of the head as it has been signed.  Errors: Code::internal.
Result<ChunkEditor> chunk_editor(const RequestHead& signed_head, const SigningInput& input,
                                 std::string seed_signature);

// Gives the head the framing of what will leave, and says how long that is (plan_content_length).
// Not known where the chunks leave signed in another way than they came.
std::optional<std::uint64_t> frame_chunks(RequestHead& head, const AwsChunkedBody& body,
                                          ChunkSigning leaves);

}  // namespace keyward::netproxy
