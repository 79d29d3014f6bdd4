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
//	    X.509-SVIDs: "empty|other-id|two-uris|authority|signer|expired|wrong-key|broken-key|no-bundle|trailing"; of X.509
//	    bundles: "empty|no-bundle|no-domain|trailing"
//	{"do":"delay","milliseconds":100}
//	{"do":"rotate"}     a new key; the bundle has the old ones as well; X.509-SVIDs are sent anew
//	{"do":"stop"} {"do":"start"}    the server goes away with its socket, and comes back
//	{"do":"replace"}    another server takes over the socket's name; the old one goes on
//	{"do":"seen"}       what was asked so far
//	{"do":"bundle"}     the JWK set of the trust domain
//	{"do":"authority"}  another X.509 authority signs from now on; the bundle has the old ones as well, and X.509-SVIDs are sent anew
//	{"do":"x509-bundle","domain":"..."}   its authorities, in PEM
//	{"do":"federate","domain":"..."}      that trust domain's bundle is given as well
//	{"do":"issue","id":"...","ttl":60,"name":"...","domain":"..."}   certificate and key of another workload, in PEM: what its own
//	                    agent would give it; name spoils it as X.509-SVIDs are spoiled, domain is whose authority signs if not its own
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
	"encoding/pem"
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
	accepted  int               // connections
	roots     map[string][]root // of each trust domain that is given, the last one signs
	changed   chan struct{}     // closed when X.509-SVIDs and bundles are to be sent anew
}

// An X.509 authority.
type root struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
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

func (r root) certify(template *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	der, err := x509.CreateCertificate(rand.Reader, template, r.certificate, &key.PublicKey, r.key)
	must(err)
	return der
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func (a *agent) addAuthority(domain string) {
	key := newKey()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: fmt.Sprintf("root %d of %s", len(a.roots[domain])+1, domain)}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		URIs: uris("spiffe://" + domain)}
	certificate, err := x509.ParseCertificate(root{template, key}.certify(template, key))
	must(err)
	a.roots[domain] = append(a.roots[domain], root{certificate, key})
}

func (a *agent) signer(domain string) root {
	all := a.roots[domain]
	return all[len(all)-1]
}

func (a *agent) x509Bundle(domain string) (der []byte) {
	for _, each := range a.roots[domain] {
		der = append(der, each.certificate.Raw...)
	}
	return der
}

func (a *agent) x509Bundles(own bool) map[string][]byte {
	bundles := map[string][]byte{}
	for domain := range a.roots {
		if own || domain != a.domain {
			bundles["spiffe://"+domain] = a.x509Bundle(domain)
		}
	}
	return bundles
}

// As SPIFFE servers make them: for both sides of TLS.
func leaf(id string, ttl time.Duration) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{Organization: []string{"SPIFFE"}}, KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(ttl), URIs: uris(id),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
}

// By the authority of the trust domain, or of another one.
func (a *agent) issue(o order) map[string]interface{} {
	key := newKey()
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	template := leaf(o.ID, time.Duration(o.TTL)*time.Second)
	spoilLeaf(template, o.Name)
	signer := o.Domain
	if signer == "" {
		signer = template.URIs[0].Host
	}
	der := a.signer(signer).certify(template, key)
	return map[string]interface{}{"certificate": toPEM("CERTIFICATE", der), "key": toPEM("PRIVATE KEY", private)}
}

func spoilLeaf(template *x509.Certificate, how string) {
	other := uris("spiffe://" + template.URIs[0].Host + "/somebody-else")
	switch how {
	case "other-id":
		template.URIs = other
	case "two-uris":
		template.URIs = append(template.URIs, other...)
	case "authority":
		template.IsCA = true
	case "signer":
		template.KeyUsage |= x509.KeyUsageCertSign
	case "expired":
		template.NotAfter = time.Now().Add(-time.Second)
	}
}

func toPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
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
	key, template := newKey(), leaf(id, time.Hour)
	spoilLeaf(template, a.answer)
	der := a.signer(a.domain).certify(template, key)
	if a.answer == "wrong-key" {
		key = newKey()
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	svid := &workload.X509SVID{SpiffeId: id, X509Svid: der, X509SvidKey: private, Bundle: a.x509Bundle(a.domain)}
	switch a.answer {
	case "broken-key":
		svid.X509SvidKey = private[:20]
	case "no-bundle":
		svid.Bundle = nil
	case "trailing":
		svid.X509Svid = append(der, 0, 1)
	}
	return svid
}

// Sends what `message` makes, at once and whenever it has changed.
func sendEach[M any](s *server, method string, ctx context.Context, send func(*M) error, message func() *M) error {
	for {
		if err := s.admit(ctx, call{Method: method}); err != nil {
			return err
		}
		s.mutex.Lock()
		response, changed := message(), s.changed
		s.mutex.Unlock()
		if err := send(response); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		case <-changed:
		}
	}
}

func (s *server) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	return sendEach(s, "FetchX509SVID", stream.Context(), stream.Send, func() *workload.X509SVIDResponse {
		response := &workload.X509SVIDResponse{FederatedBundles: s.x509Bundles(false)}
		for _, each := range s.entries {
			if s.answer != "empty" {
				response.Svids = append(response.Svids, s.x509SVID(each.ID))
			}
		}
		return response
	})
}

func (s *server) FetchX509Bundles(_ *workload.X509BundlesRequest, stream workload.SpiffeWorkloadAPI_FetchX509BundlesServer) error {
	return sendEach(s, "FetchX509Bundles", stream.Context(), stream.Send, func() *workload.X509BundlesResponse {
		response := &workload.X509BundlesResponse{Bundles: s.x509Bundles(true)}
		switch s.answer {
		case "empty":
			response.Bundles = nil
		case "no-bundle":
			response.Bundles["spiffe://"+s.domain] = nil
		case "no-domain":
			response.Bundles["spiffe://"+s.domain+"/workload"] = s.x509Bundle(s.domain)
		case "trailing":
			response.Bundles["spiffe://"+s.domain] = append(s.x509Bundle(s.domain), 0, 1)
		}
		return response
	})
}

func (a *agent) sendAnew() {
	close(a.changed)
	a.changed = make(chan struct{})
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
	Domain       string                 `json:"domain"`
	ID           string                 `json:"id"`
	TTL          int                    `json:"ttl"`
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
		a.sendAnew()
	case "authority":
		a.addAuthority(a.domain)
		a.sendAnew()
	case "federate":
		a.addAuthority(o.Domain)
		a.sendAnew()
	case "x509-bundle":
		text := ""
		for _, each := range a.roots[o.Domain] {
			text += toPEM("CERTIFICATE", each.certificate.Raw)
		}
		return map[string]interface{}{"pem": text}
	case "issue":
		return a.issue(o)
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
	a := &agent{domain: os.Args[2], algorithm: jose.ES256, roots: map[string][]root{}, changed: make(chan struct{})}
	a.rotate()
	a.addAuthority(a.domain)
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
