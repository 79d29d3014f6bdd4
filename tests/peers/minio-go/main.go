// S3 by minio-go; keys come from the environment, as in any program.
//
//	usage: minio-go [-trailers] ENDPOINT BUCKET JOBS      (tests/e2e/support/s3_clients.py says what a job is)
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	part = 5 << 20
	life = 300 * time.Second // of a presigned URL
)

type job struct {
	Do, Key, File, Folder, Prefix, Method string
	Names                                 []string
	First, Last                           int64
	Meta                                  map[string]string
}

type result map[string]any

type client struct {
	s3     *minio.Client
	bucket string
}

func (c client) put(key, file string, meta map[string]string, single bool) error {
	body, err := os.Open(file)
	if err != nil {
		return err
	}
	defer body.Close()
	info, err := body.Stat()
	if err != nil {
		return err
	}
	options := minio.PutObjectOptions{UserMetadata: meta, PartSize: part, DisableMultipart: single, NumThreads: 1}
	_, err = c.s3.PutObject(context.Background(), c.bucket, key, body, info.Size(), options)
	return err
}

func (c client) sum(key string, options minio.GetObjectOptions) (string, error) {
	object, err := c.s3.GetObject(context.Background(), c.bucket, key, options)
	if err != nil {
		return "", err
	}
	defer object.Close()
	digest := sha256.New()
	_, err = io.Copy(digest, object)
	return hex.EncodeToString(digest.Sum(nil)), err
}

func (c client) keys(prefix string) ([]string, error) {
	keys := []string{}
	for object := range c.s3.ListObjects(context.Background(), c.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			return nil, object.Err
		}
		keys = append(keys, object.Key)
	}
	return keys, nil
}

func (c client) up(folder, prefix string) error {
	entries, err := os.ReadDir(folder)
	for _, entry := range entries {
		if err == nil {
			err = c.put(prefix+entry.Name(), filepath.Join(folder, entry.Name()), nil, true)
		}
	}
	return err
}

func (c client) down(prefix string, names []string) (result, error) {
	var err error
	sums := map[string]string{}
	for _, name := range names {
		if err == nil {
			sums[name], err = c.sum(prefix+name, minio.GetObjectOptions{})
		}
	}
	return result{"sums": sums}, err
}

func (c client) head(key string) (result, error) {
	info, err := c.s3.StatObject(context.Background(), c.bucket, key, minio.StatObjectOptions{})
	return result{"size": info.Size, "meta": info.UserMetadata}, err
}

func (c client) ranged(key string, first, last int64) (result, error) {
	options := minio.GetObjectOptions{}
	if err := options.SetRange(first, last); err != nil {
		return nil, err
	}
	sum, err := c.sum(key, options)
	return result{"sum": sum}, err
}

func (c client) presign(method, key string) (result, error) {
	made, err := c.s3.Presign(context.Background(), method, c.bucket, key, life, url.Values{})
	if err != nil {
		return nil, err
	}
	return result{"url": made.String()}, nil
}

func (c client) run(j job) (result, error) {
	switch j.Do {
	case "up":
		return nil, c.up(j.Folder, j.Prefix)
	case "down":
		return c.down(j.Prefix, j.Names)
	case "put":
		return nil, c.put(j.Key, j.File, j.Meta, true)
	case "parts":
		return nil, c.put(j.Key, j.File, nil, false)
	case "get":
		sum, err := c.sum(j.Key, minio.GetObjectOptions{})
		return result{"sum": sum}, err
	case "range":
		return c.ranged(j.Key, j.First, j.Last)
	case "head":
		return c.head(j.Key)
	case "list":
		keys, err := c.keys(j.Prefix)
		return result{"keys": keys}, err
	case "delete":
		return nil, c.s3.RemoveObject(context.Background(), c.bucket, j.Key, minio.RemoveObjectOptions{})
	case "presign":
		return c.presign(j.Method, j.Key)
	}
	return nil, fmt.Errorf("no such job: %s", j.Do)
}

func main() {
	trailers := flag.Bool("trailers", false, "send checksums as trailers")
	flag.Parse()
	endpoint, err := url.Parse(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	s3, err := minio.New(endpoint.Host, &minio.Options{
		Creds: credentials.NewEnvAWS(), Secure: endpoint.Scheme == "https", Region: "us-east-1",
		BucketLookup: minio.BucketLookupPath, TrailingHeaders: *trailers,
	})
	if err != nil {
		log.Fatal(err)
	}
	var jobs []job
	if err := json.Unmarshal([]byte(flag.Arg(2)), &jobs); err != nil {
		log.Fatal(err)
	}
	out := json.NewEncoder(os.Stdout)
	for _, j := range jobs {
		answer, err := client{s3, flag.Arg(1)}.run(j)
		if answer == nil {
			answer = result{}
		}
		if err != nil {
			answer = result{"error": err.Error()}
		}
		if err := out.Encode(answer); err != nil {
			log.Fatal(err)
		}
	}
}
