#include "tests/netproxy/chunk_reference.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "netproxy/sigv4/signature.hpp"

namespace keyward::netproxy {
namespace {

const std::string empty_hash = hex(sha256(""));

std::string algorithm(const ChunkParty& party) {
  return party.chain.signing == ChunkSigning::ecdsa ? "AWS4-ECDSA-P256-SHA256" : "AWS4-HMAC-SHA256";
}

std::string chunk_text(const ChunkParty& party, const std::string& previous,
                       std::string_view data) {
  return algorithm(party) + "-PAYLOAD\n" + party.chain.amz_date + "\n" + party.chain.scope + "\n" +
         previous + "\n" + empty_hash + "\n" + hex(sha256(data));
}

std::string trailer_text(const ChunkParty& party, const std::string& previous, Trailers trailers) {
  std::sort(trailers.begin(), trailers.end());
  std::string block;
  for (const auto& [name, value] : trailers)
    block += lower(name) + ":" + std::string(trim(value)) + "\n";
  return algorithm(party) + "-TRAILER\n" + party.chain.amz_date + "\n" + party.chain.scope + "\n" +
         previous + "\n" + hex(sha256(block));
}

std::string sign(const ChunkParty& party, const std::string& text) {
  if (!party.pair) return hex(hmac_sha256(party.hmac_key, text));
  return hex(as_bytes(party.pair->sign(text).value()));
}

bool verifies(const ChunkParty& party, const std::string& text, const std::string& signature) {
  if (!party.pair) return sign(party, text) == signature;
  const auto der = unhex(signature);
  return der && party.pair->public_key().verifies(text, *der);
}

std::string padded(AwsChunkedForm form, std::string signature) {
  signature.resize(signature_width(form.signing), '*');
  return signature;
}

std::string hex_size(std::size_t size) {
  std::string digits;
  do digits.insert(digits.begin(), "0123456789abcdef"[size % 16]);
  while ((size /= 16) > 0);
  return digits;
}

// Up to CR LF; nullopt: there is none.
std::optional<std::string> take_line(std::string_view& body) {
  const auto end = body.find("\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  std::string line(body.substr(0, end));
  body.remove_prefix(end + 2);
  return line;
}

}  // namespace

ChunkAuthor ChunkParty::author() const {
  if (pair) return {chain, std::make_shared<EcdsaChunkVerifier>(pair->public_key())};
  return {chain, std::make_shared<HmacChunkKey>(std::make_shared<HmacSha256>(hmac_key))};
}

ChunkEditor ChunkParty::editor() const {
  if (pair) return {chain, std::make_shared<EcdsaChunkSigner>(*pair)};
  return {chain, std::make_shared<HmacChunkKey>(std::make_shared<HmacSha256>(hmac_key))};
}

ChunkParty example_party(std::string seed_signature) {
  const Secret secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
  const Secret key = derive_signing_key(secret, {"20130524", "us-east-1", "s3"});
  return {{ChunkSigning::hmac, "20130524T000000Z", "20130524/us-east-1/s3/aws4_request",
           std::move(seed_signature)},
          std::string(key.reveal()),
          std::nullopt};
}

ChunkParty other_party() {
  return {{ChunkSigning::hmac, "20130524T000001Z", "20130524/eu-west-1/s3/aws4_request",
           std::string(64, 'b')},
          "another key",
          std::nullopt};
}

ChunkParty ecdsa_party(char fill) {
  return {{ChunkSigning::ecdsa, "20130524T000000Z", "20130524/s3/aws4_request",
           std::string(140, fill == 'a' ? 'a' : 'b')},
          "",
          P256PrivateKey::from_scalar(Secret(std::string(32, fill))).value()};
}

std::string encode_chunks(AwsChunkedForm form, const ChunkParty& party,
                          const std::vector<std::string>& pieces, const Trailers& trailers) {
  const bool is_signed = form.signing != ChunkSigning::none;
  std::string body, previous = party.chain.seed_signature;
  const auto header = [&](std::string_view data) {
    body += hex_size(data.size());
    if (is_signed) {
      previous = sign(party, chunk_text(party, previous, data));
      body += ";chunk-signature=" + padded(form, previous);
    }
    body += "\r\n";
  };
  for (const std::string& piece : pieces) {
    header(piece);
    body += piece + "\r\n";
  }
  header("");
  for (const auto& [name, value] : trailers) body += name + ":" + value + "\r\n";
  if (form.trailer && is_signed)
    body += "x-amz-trailer-signature:" +
            padded(form, sign(party, trailer_text(party, previous, trailers))) + "\r\n";
  return body + "\r\n";
}

std::optional<DecodedChunks> decode_chunks(AwsChunkedForm form, const ChunkParty& party,
                                           std::string_view body) {
  const bool is_signed = form.signing != ChunkSigning::none;
  DecodedChunks decoded;
  std::string previous = party.chain.seed_signature;
  for (std::size_t size = 1; size > 0;) {
    const auto header = take_line(body);
    if (!header) return std::nullopt;
    const auto semicolon = header->find(';');
    size = std::stoul(header->substr(0, semicolon), nullptr, 16);
    if (size > 0 && (body.size() < size + 2 || body.substr(size, 2) != "\r\n")) return std::nullopt;
    const std::string data(body.substr(0, size));
    if (is_signed) {
      if (semicolon == std::string::npos) return std::nullopt;
      std::string signature = header->substr(semicolon + std::string(";chunk-signature=").size());
      if (signature.size() != signature_width(form.signing)) return std::nullopt;
      signature = signature.substr(0, signature.find('*'));
      if (!verifies(party, chunk_text(party, previous, data), signature)) return std::nullopt;
      previous = signature;
    }
    if (size > 0) {
      body.remove_prefix(size + 2);
      decoded.sizes.push_back(size);
    }
    decoded.data += data;
  }
  while (form.trailer) {
    const auto line = take_line(body);
    if (!line) return std::nullopt;
    if (line->empty()) return is_signed ? std::nullopt : std::optional(decoded);
    const std::string name = line->substr(0, line->find(':'));
    const std::string value = line->substr(line->find(':') + 1);
    if (name != "x-amz-trailer-signature") {
      decoded.trailers.emplace_back(name, value);
      continue;
    }
    const std::string signature = value.substr(0, value.find('*'));
    if (!verifies(party, trailer_text(party, previous, decoded.trailers), signature))
      return std::nullopt;
    break;
  }
  return body == "\r\n" ? std::optional(decoded) : std::nullopt;
}

Piped pipe_through(ChunkPipe& pipe, std::string_view body, std::size_t piece) {
  Piped piped;
  while (!body.empty()) {
    const auto taken = pipe.take(body.substr(0, piece));
    if (taken && pipe.done() && *taken < body.size()) {  // the end waits until nothing follows it
      piped.verdict = s3_fail(S3Code::incomplete_body, "bytes follow the end");
      return piped;
    }
    piped.most_ready = std::max(piped.most_ready, pipe.ready().size());
    piped.sent += pipe.ready();
    pipe.sent();
    if (!taken) break;
    body.remove_prefix(*taken);
  }
  piped.verdict = pipe.finish();
  return piped;
}

}  // namespace keyward::netproxy
