// minio-go, which signs the chunks of its uploads over http.
module keyward.test/minio-go

go 1.26

require github.com/minio/minio-go/v7 v7.4.1
