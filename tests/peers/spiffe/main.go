// usage: spiffe SOCKET TRUST-DOMAIN
//
// The SPIFFE Workload API on a unix socket, by go-spiffe's generated service, with JWT-SVIDs signed by go-jose: claims aud, exp,
// iat, sub as a real agent sends them.  Each line of JSON on standard input changes what it does, and is answered by one line:
//
//	{"do":"entries","entries":[{"id","ttl","hint"}]}   the identities of whoever asks; none: PermissionDenied
//	{"do":"claims","set":{...}}     members that every JWT-SVID has beside or instead of its own; null removes one, "@unique"
//	                                is another text each time
//	{"do":"algorithm","name":"RS256"}                  a new key of that algorithm
//	{"do":"fail","code":14,"text":"...","times":2}     the next calls end so; times 0: all of them, code 0: none
//	{"do":"answer","name":"empty|doubled|other-id|other-sub|no-token|huge|long-hint"}  a wrong answer; "": the right one.  Of
//	    X.509-SVIDs: "empty|other-id|two-uris|authority|signer|expired|wrong-key|broken-key|no-bundle|trailing"
//	{"do":"delay","milliseconds":100}
//	{"do":"rotate"}     a new key; the bundle has the old ones as well; X.509-SVIDs are sent anew
//	{"do":"stop"} {"do":"start"}    the server goes away with its socket, and comes back
//	{"do":"replace"}    another server takes over the socket's name; the old one goes on
//	{"do":"seen"}       what was asked so far
//	{"do":"bundle"}     the JWK set of the trust domain
package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type entry struct {
	ID   string `json:"id"`
	TTL  int    `json:"ttl"`
	Hint string `json:"hint"`
}

type call struct {
	Method   string   `json:"method"`
	Audience []string `json:"audience,omitempty"`
	ID       string   `json:"id,omitempty"`
	Server   int      `json:"server"`
}

type agent struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	mutex     sync.Mutex
	domain    string
	entries   []entry
	claims    map[string]interface{}
	algorithm jose.SignatureAlgorithm
	keys      []jose.JSONWebKey // private, the last one signs
	failure   *status.Status
	failures  int // still to come; -1: all
	answer    string
	delay     time.Duration
	calls     []call
	accepted  int // connections
	authority *x509.Certificate
	root      *ecdsa.PrivateKey
	changed   chan struct{} // closed when X.509-SVIDs are to be sent anew
}

// Counts who connects: an agent attests each connection, so a client should keep one.
type counted struct {
	net.Listener
	agent *agent
}

func (c counted) Accept() (net.Conn, error) {
	connection, err := c.Listener.Accept()
	if err == nil {
		c.agent.mutex.Lock()
		c.agent.accepted++
		c.agent.mutex.Unlock()
	}
	return connection, err
}

// One listener's view of the agent.
type server struct {
	*agent
	number int
}

func (a *agent) rotate() {
	var private crypto.Signer
	var err error
	switch a.algorithm {
	case jose.RS256, jose.PS256:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.ES384:
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	must(err)
	kid := fmt.Sprintf("key-%d", len(a.keys)+1)
	a.keys = append(a.keys, jose.JSONWebKey{Key: private, KeyID: kid, Algorithm: string(a.algorithm)})
}

func (a *agent) bundle() []byte {
	set := jose.JSONWebKeySet{}
	for _, key := range a.keys {
		public := key.Public()
		public.Use, public.Algorithm = "jwt-svid", ""
		set.Keys = append(set.Keys, public)
	}
	text, err := json.Marshal(set)
	must(err)
	return text
}

func (a *agent) token(id string, audience []string, ttl int) string {
	key := a.keys[len(a.keys)-1]
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key},
		(&jose.SignerOptions{}).WithType("JWT"))
	must(err)
	now := time.Now()
	claims := map[string]interface{}{"sub": id, "aud": audience, "iat": now.Unix(), "exp": now.Unix() + int64(ttl)}
	for name, value := range a.claims {
		if claims[name] = value; value == nil {
			delete(claims, name)
		} else if value == "@unique" {
			claims[name] = rand.Text()
		}
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	must(err)
	return text
}

// What each method begins with: the security header once, failures and delays as ordered.
func (s *server) admit(ctx context.Context, seen call) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	seen.Server = s.number
	s.calls = append(s.calls, seen)
	marks := metadata.ValueFromIncomingContext(ctx, "workload.spiffe.io")
	if len(marks) != 1 || marks[0] != "true" {
		return status.Error(codes.InvalidArgument, "security header missing from request")
	}
	if s.delay > 0 {
		s.mutex.Unlock()
		time.Sleep(s.delay)
		s.mutex.Lock()
	}
	if s.failures != 0 {
		if s.failures > 0 {
			s.failures--
		}
		return s.failure.Err()
	}
	if len(s.entries) == 0 {
		return status.Error(codes.PermissionDenied, "no identity issued")
	}
	return nil
}

func (s *server) FetchJWTSVID(ctx context.Context, request *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if err := s.admit(ctx, call{Method: "FetchJWTSVID", Audience: request.Audience, ID: request.SpiffeId}); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(request.Audience) == 0 {
		return nil, status.Error(codes.InvalidArgument, "audience must be specified")
	}
	response := &workload.JWTSVIDResponse{}
	for _, each := range s.entries {
		if request.SpiffeId != "" && request.SpiffeId != each.ID {
			continue
		}
		ttl := each.TTL
		if ttl == 0 {
			ttl = 300
		}
		response.Svids = append(response.Svids,
			&workload.JWTSVID{SpiffeId: each.ID, Svid: s.token(each.ID, request.Audience, ttl), Hint: each.Hint})
	}
	if len(response.Svids) == 0 {
		return nil, status.Error(codes.PermissionDenied, "no identity issued")
	}
	s.spoil(response, request.Audience)
	return response, nil
}

func (s *server) spoil(response *workload.JWTSVIDResponse, audience []string) {
	first := response.Svids[0]
	other := "spiffe://" + s.domain + "/somebody-else"
	switch s.answer {
	case "empty":
		response.Svids = nil
	case "doubled":
		response.Svids = append(response.Svids, first)
	case "other-id":
		first.SpiffeId, first.Svid = other, s.token(other, audience, 300)
	case "other-sub":
		first.Svid = s.token(other, audience, 300)
	case "no-token":
		first.Svid = ""
	case "huge":
		first.Svid = strings.Repeat("a", 3<<20)
	case "long-hint":
		first.Hint = strings.Repeat("h", 2000)
	}
}

func (s *server) FetchJWTBundles(_ *workload.JWTBundlesRequest, stream workload.SpiffeWorkloadAPI_FetchJWTBundlesServer) error {
	if err := s.admit(stream.Context(), call{Method: "FetchJWTBundles"}); err != nil {
		return err
	}
	s.mutex.Lock()
	response := &workload.JWTBundlesResponse{Bundles: map[string][]byte{"spiffe://" + s.domain: s.bundle()}}
	s.mutex.Unlock()
	if err := stream.Send(response); err != nil {
		return err
	}
	<-stream.Context().Done()
	return status.FromContextError(stream.Context().Err()).Err()
}

func (a *agent) certificate(template, parent *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.root)
	must(err)
	return der
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func (a *agent) makeAuthority() {
	a.root = newKey()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "root of " + a.domain}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), URIs: uris("spiffe://" + a.domain)}
	var err error
	a.authority, err = x509.ParseCertificate(a.certificate(template, template, a.root))
	must(err)
}

func uris(ids ...string) (all []*url.URL) {
	for _, id := range ids {
		parsed, err := url.Parse(id)
		must(err)
		all = append(all, parsed)
	}
	return all
}

func (a *agent) x509SVID(id string) *workload.X509SVID {
	key, other := newKey(), "spiffe://"+a.domain+"/somebody-else"
	template := &x509.Certificate{Subject: pkix.Name{Organization: []string{"SPIFFE"}}, KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Minute),
		NotAfter: time.Now().Add(time.Hour), URIs: uris(id), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	switch a.answer {
	case "other-id":
		template.URIs = uris(other)
	case "two-uris":
		template.URIs = uris(id, other)
	case "authority":
		template.IsCA = true
	case "signer":
		template.KeyUsage |= x509.KeyUsageCertSign
	case "expired":
		template.NotAfter = time.Now().Add(-time.Second)
	}
	leaf := a.certificate(template, a.authority, key)
	if a.answer == "wrong-key" {
		key = newKey()
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	svid := &workload.X509SVID{SpiffeId: id, X509Svid: leaf, X509SvidKey: private, Bundle: a.authority.Raw}
	switch a.answer {
	case "broken-key":
		svid.X509SvidKey = private[:20]
	case "no-bundle":
		svid.Bundle = nil
	case "trailing":
		svid.X509Svid = append(leaf, 0, 1)
	}
	return svid
}

func (s *server) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	for {
		if err := s.admit(stream.Context(), call{Method: "FetchX509SVID"}); err != nil {
			return err
		}
		s.mutex.Lock()
		response := &workload.X509SVIDResponse{}
		for _, each := range s.entries {
			if s.answer != "empty" {
				response.Svids = append(response.Svids, s.x509SVID(each.ID))
			}
		}
		changed := s.changed
		s.mutex.Unlock()
		if err := stream.Send(response); err != nil {
			return err
		}
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-changed:
		}
	}
}

// What listens at one moment.
type listeners struct {
	agent  *agent
	path   string
	number int
	last   *grpc.Server
}

func (l *listeners) start() {
	l.number++
	temporary := fmt.Sprintf("%s.%d", l.path, l.number)
	os.Remove(temporary)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	must(err)
	listener.SetUnlinkOnClose(false)
	must(os.Rename(temporary, l.path))
	l.last = grpc.NewServer(grpc.MaxSendMsgSize(8 << 20))
	workload.RegisterSpiffeWorkloadAPIServer(l.last, &server{l.agent, l.number})
	go l.last.Serve(counted{listener, l.agent})
}

func (l *listeners) stop() {
	os.Remove(l.path)
	l.last.Stop()
}

type order struct {
	Do           string                 `json:"do"`
	Entries      []entry                `json:"entries"`
	Set          map[string]interface{} `json:"set"`
	Name         string                 `json:"name"`
	Code         codes.Code             `json:"code"`
	Text         string                 `json:"text"`
	Times        int                    `json:"times"`
	Milliseconds int                    `json:"milliseconds"`
}

func (l *listeners) obey(o order) map[string]interface{} {
	a := l.agent
	switch o.Do {
	case "stop":
		l.stop()
		return map[string]interface{}{}
	case "start", "replace":
		l.start()
		return map[string]interface{}{}
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	switch o.Do {
	case "entries":
		a.entries = o.Entries
	case "claims":
		a.claims = o.Set
	case "algorithm":
		a.algorithm = jose.SignatureAlgorithm(o.Name)
		a.rotate()
	case "rotate":
		a.rotate()
		close(a.changed)
		a.changed = make(chan struct{})
	case "fail":
		a.failure, a.failures = status.New(o.Code, o.Text), o.Times
		if o.Code == codes.OK {
			a.failures = 0
		} else if o.Times == 0 {
			a.failures = -1
		}
	case "answer":
		a.answer = o.Name
	case "delay":
		a.delay = time.Duration(o.Milliseconds) * time.Millisecond
	case "seen":
		calls := a.calls
		a.calls = nil
		return map[string]interface{}{"calls": calls, "connections": a.accepted}
	case "bundle":
		return map[string]interface{}{"keys": json.RawMessage(a.bundle())}
	default:
		return map[string]interface{}{"error": "no such order: " + o.Do}
	}
	return map[string]interface{}{}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: spiffe SOCKET TRUST-DOMAIN")
		os.Exit(2)
	}
	a := &agent{domain: os.Args[2], algorithm: jose.ES256, changed: make(chan struct{})}
	a.rotate()
	a.makeAuthority()
	l := &listeners{agent: a, path: os.Args[1]}
	l.start()
	fmt.Println("{}")
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o order
		answer := map[string]interface{}{}
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			answer["error"] = err.Error()
		} else {
			answer = l.obey(o)
		}
		text, err := json.Marshal(answer)
		must(err)
		fmt.Println(string(text))
	}
	l.stop()
}
