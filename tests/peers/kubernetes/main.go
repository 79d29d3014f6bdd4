// usage: kubernetes LISTEN CERTIFICATE KEY [ISSUER]
//
// With ISSUER, discovery and JWKS are for everybody, below that URL.
//
// TokenRequest, TokenReview, discovery, JWKS and pods as kube-apiserver answers them, over https.  Tokens are made and checked by
// Kubernetes' own code.  Whoever calls must show a token of the ServiceAccount openshell/gateway, which may get pods in the
// namespace boxes and nothing else, and may review tokens once somebody has POSTed to /test/allow-reviews.
//
// For the test alone, without a token, below /test/: PUT and DELETE pods/NAME?sandbox=ID, POST token?pod=NAME&audience=A&seconds=N
// (ServiceAccount boxes/sandbox), POST token?gateway=1, POST token?account=NAME (not bound to a pod), POST rotate.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

const apiAudience = "https://kubernetes.default.svc"

var issuer, jwksURL, discoveryIsOpen = "https://kubernetes.default.svc.cluster.local", "https://203.0.113.7:6443/openid/v1/jwks", false

type cluster struct {
	mutex    sync.Mutex
	pods     map[string]*corev1.Pod
	reviews  bool
	signer   serviceaccount.TokenGenerator
	public   []interface{}
	metadata serviceaccount.OpenIDMetadataProvider
	check    authenticator.Token
	asked    map[string]int
}

func notFound(kind, name string) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name)
}

func (c *cluster) GetServiceAccount(_ context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-of-" + name)}}, nil
}
func (c *cluster) GetPod(_ context.Context, namespace, name string) (*corev1.Pod, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if pod := c.pods[namespace+"/"+name]; pod != nil {
		return pod, nil
	}
	return nil, notFound("pods", name)
}
func (c *cluster) GetSecret(_ context.Context, _, name string) (*corev1.Secret, error) {
	return nil, notFound("secrets", name)
}
func (c *cluster) GetNode(_ context.Context, name string) (*corev1.Node, error) {
	return nil, notFound("nodes", name)
}

// The first key is an RSA one, each later one is on P-256; the older ones still verify.
func (c *cluster) rotate() {
	var private interface{}
	if len(c.public) == 0 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		must(err)
		private, c.public = key, append(c.public, &key.PublicKey)
	} else {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		private, c.public = key, append(c.public, &key.PublicKey)
	}
	var err error
	c.signer, err = serviceaccount.JWTTokenGenerator(issuer, private)
	must(err)
	keys, err := serviceaccount.StaticPublicKeysGetter(c.public)
	must(err)
	c.metadata, err = serviceaccount.NewOpenIDMetadataProvider(issuer, jwksURL, "", keys)
	must(err)
	c.check = serviceaccount.JWTTokenAuthenticator([]string{issuer}, keys, authenticator.Audiences{apiAudience}, serviceaccount.NewValidator(c))
}

func (c *cluster) token(namespace, account string, pod *corev1.Pod, audience string, seconds int64) string {
	var bound *core.Pod
	if pod != nil {
		bound = &core.Pod{ObjectMeta: pod.ObjectMeta}
	}
	owner := core.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account, UID: types.UID("uid-of-" + account)}}
	public, private, err := serviceaccount.Claims(owner, bound, nil, nil, seconds, 0, []string{audience})
	must(err)
	token, err := c.signer.GenerateToken(context.Background(), public, private)
	must(err)
	return token
}

func (c *cluster) isGateway(request *http.Request) bool {
	bearer, found := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	if !found {
		return false
	}
	answer, ok, err := c.check.AuthenticateToken(authenticator.WithAudiences(request.Context(), authenticator.Audiences{apiAudience}), bearer)
	return err == nil && ok && answer.User.GetName() == "system:serviceaccount:openshell:gateway"
}

func (c *cluster) review(request *http.Request) *authenticationv1.TokenReview {
	var review authenticationv1.TokenReview
	if json.NewDecoder(request.Body).Decode(&review) != nil {
		return nil
	}
	wanted := authenticator.Audiences(review.Spec.Audiences)
	answer, ok, err := c.check.AuthenticateToken(authenticator.WithAudiences(request.Context(), wanted), review.Spec.Token)
	review.Spec.Token = ""
	if err != nil {
		review.Status.Error = err.Error()
	}
	if err != nil || !ok {
		return &review
	}
	review.Status.Authenticated, review.Status.Audiences = true, answer.Audiences
	review.Status.User = authenticationv1.UserInfo{Username: answer.User.GetName(), UID: answer.User.GetUID(), Groups: answer.User.GetGroups(),
		Extra: map[string]authenticationv1.ExtraValue{}}
	for name, values := range answer.User.GetExtra() {
		review.Status.User.Extra[name] = values
	}
	return &review
}

func (c *cluster) api(writer http.ResponseWriter, request *http.Request) {
	c.count(request.Method + " " + request.URL.Path)
	isDiscovery := request.URL.Path == "/.well-known/openid-configuration" || request.URL.Path == "/openid/v1/jwks"
	if !(discoveryIsOpen && isDiscovery) && !c.isGateway(request) {
		refuse(writer, http.StatusForbidden)
		return
	}
	const pods = "/api/v1/namespaces/boxes/pods/"
	switch path := request.URL.Path; {
	case request.Method == "GET" && path == "/.well-known/openid-configuration":
		document, _ := c.metadata.GetConfigJSON()
		writer.Write(document)
	case request.Method == "GET" && path == "/openid/v1/jwks":
		// As the API server's router does, which knows one type here.
		if accept := request.Header.Get("Accept"); !strings.Contains(accept, "application/jwk-set+json") && !strings.Contains(accept, "*/*") {
			refuse(writer, http.StatusNotAcceptable)
			return
		}
		keys, _ := c.metadata.GetKeysetJSON()
		writer.Write(keys)
	case request.Method == "POST" && path == "/apis/authentication.k8s.io/v1/tokenreviews" && c.reviews:
		writer.WriteHeader(http.StatusCreated)
		json.NewEncoder(writer).Encode(c.review(request))
	case request.Method == "GET" && strings.HasPrefix(path, pods):
		pod, err := c.GetPod(request.Context(), "boxes", strings.TrimPrefix(path, pods))
		if err != nil {
			refuse(writer, http.StatusNotFound)
			return
		}
		json.NewEncoder(writer).Encode(pod)
	default:
		refuse(writer, http.StatusForbidden)
	}
}

func (c *cluster) test(writer http.ResponseWriter, request *http.Request) {
	query, what := request.URL.Query(), strings.TrimPrefix(request.URL.Path, "/test/")
	switch name, isPod := strings.CutPrefix(what, "pods/"); {
	case isPod && request.Method == "PUT":
		pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Namespace: "boxes", Name: name, UID: uuid.NewUUID()}}
		pod.Spec.ServiceAccountName = "sandbox"
		if sandbox := query.Get("sandbox"); sandbox != "" {
			pod.Annotations = map[string]string{"openshell.io/sandbox-id": sandbox}
		}
		c.mutex.Lock()
		c.pods["boxes/"+name] = pod
		c.mutex.Unlock()
		fmt.Fprint(writer, pod.UID)
	case isPod && request.Method == "DELETE":
		c.mutex.Lock()
		delete(c.pods, "boxes/"+name)
		c.mutex.Unlock()
	case what == "token" && query.Get("gateway") != "":
		fmt.Fprint(writer, c.token("openshell", "gateway", nil, apiAudience, 3600))
	case what == "token" && query.Get("account") != "":
		fmt.Fprint(writer, c.token("boxes", query.Get("account"), nil, query.Get("audience"), 3600))
	case what == "token":
		seconds, _ := strconv.ParseInt(query.Get("seconds"), 10, 64)
		pod, err := c.GetPod(request.Context(), "boxes", query.Get("pod"))
		if err != nil {
			refuse(writer, http.StatusNotFound)
			return
		}
		fmt.Fprint(writer, c.token("boxes", "sandbox", pod, query.Get("audience"), seconds))
	case what == "allow-reviews":
		c.reviews = true
	case what == "rotate":
		c.rotate()
	case what == "asked":
		c.mutex.Lock()
		json.NewEncoder(writer).Encode(c.asked)
		c.mutex.Unlock()
	default:
		refuse(writer, http.StatusNotFound)
	}
}

func (c *cluster) count(what string) {
	c.mutex.Lock()
	c.asked[what]++
	c.mutex.Unlock()
}

func refuse(writer http.ResponseWriter, code int) {
	writer.WriteHeader(code)
	json.NewEncoder(writer).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: int32(code)})
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if len(os.Args) != 4 && len(os.Args) != 5 {
		log.Fatal("usage: kubernetes LISTEN CERTIFICATE KEY [ISSUER]")
	}
	if len(os.Args) == 5 {
		issuer, jwksURL, discoveryIsOpen = os.Args[4], os.Args[4]+"/openid/v1/jwks", true
	}
	c := &cluster{pods: map[string]*corev1.Pod{}, asked: map[string]int{}}
	c.rotate()
	http.HandleFunc("/test/", c.test)
	http.HandleFunc("/", c.api)
	log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[2], os.Args[3], nil))
}
