// A SPIFFE agent made of go-spiffe's generated service and go-jose, which does what a test says.
module keyward.test/spiffe

go 1.26

require (
	github.com/go-jose/go-jose/v4 v4.1.4
	github.com/spiffe/go-spiffe/v2 v2.8.1
	google.golang.org/grpc v1.79.3
	google.golang.org/protobuf v1.36.11
)
