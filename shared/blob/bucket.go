package blob

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// partSize bounds the memory of an upload: a larger object goes up in parts of this many bytes.
const partSize = 16 << 20

// tries is how often a request is made before the store counts as away.
const tries = 3

// bucket keeps objects on S3 or a server that speaks its protocol.
type bucket struct {
	client *minio.Client
	name   string
}

// openBucket reaches the bucket S3_BUCKET (default hearth) and makes it if it is missing.
func openBucket(ctx context.Context, env *fn.Env) (*bucket, error) {
	client, err := dial(env)
	if err != nil {
		return nil, err
	}
	b := &bucket{client: client, name: env.Setting("S3_BUCKET", "hearth")}
	found, err := client.BucketExists(ctx, b.name)
	if err != nil {
		return nil, remote(err, "reach the bucket "+b.name)
	}
	if found {
		return b, nil
	}
	err = client.MakeBucket(ctx, b.name, minio.MakeBucketOptions{Region: region(env)})
	if code := minio.ToErrorResponse(err).Code; err != nil && code != "BucketAlreadyOwnedByYou" {
		return nil, remote(err, "make the bucket "+b.name)
	}
	return b, nil
}

// dial makes a client; it sends nothing yet.
func dial(env *fn.Env) (*minio.Client, error) {
	endpoint := env.Setting("S3_ENDPOINT", "")
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || (u.Path != "" && u.Path != "/") {
		return nil, fault.New(fault.Invalid, "want http(s)://HOST[:PORT], not %q", endpoint).At("S3_ENDPOINT")
	}
	if _, err := (keys{env}).Retrieve(); err != nil {
		return nil, err
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.New(keys{env}), Secure: u.Scheme == "https", Region: region(env), MaxRetries: tries,
	})
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "not an S3 server's address").At("S3_ENDPOINT")
	}
	return client, nil
}

func region(env *fn.Env) string { return env.Setting("S3_REGION", "us-east-1") }

// keys gives the credentials as they are now, so that rotated ones are used at once.
type keys struct{ env *fn.Env }

// Retrieve reads both secrets.
func (k keys) Retrieve() (credentials.Value, error) {
	access, err := k.env.Secret("s3-access-key")
	if err != nil {
		return credentials.Value{}, err
	}
	secret, err := k.env.Secret("s3-secret-key")
	if err != nil {
		return credentials.Value{}, err
	}
	return credentials.Value{AccessKeyID: access, SecretAccessKey: secret, SignerType: credentials.SignatureV4}, nil
}

// RetrieveWithCredContext is Retrieve; the context has the HTTP client of credential servers.
func (k keys) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return k.Retrieve()
}

// IsExpired makes the client ask before each request.
func (k keys) IsExpired() bool { return true }

func (b *bucket) put(ctx context.Context, key string, r io.Reader) error {
	whole, size, err := spool(r)
	if err != nil {
		return err
	}
	defer whole.Close()
	_, err = b.client.PutObject(ctx, b.name, key, whole, size, minio.PutObjectOptions{
		ContentType: "application/octet-stream", PartSize: partSize, NumThreads: 1,
		// The content is authentic by its seal, and not every server reads signed chunks in parts.
		DisableContentSha256: true,
	})
	return remote(err, "put")
}

// spool writes a sealed object to an unnamed temporary file. Its size is known then, a failed request can
// be made again, and a reader that breaks off never reaches the server: some servers keep what they got.
func spool(sealed io.Reader) (*os.File, int64, error) {
	f, err := os.CreateTemp("", "blob-")
	if err != nil {
		return nil, 0, fault.As(fault.Unavailable, err, "no temporary file")
	}
	n, err := io.Copy(f, sealed)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		f.Close()
		return nil, 0, fault.As(fault.Unavailable, err, "the temporary file took no content")
	}
	return f, n, nil
}

func (b *bucket) get(ctx context.Context, key string) (io.ReadCloser, error) {
	core := minio.Core{Client: b.client} // answers at once, where the client waits for the first Read
	body, _, _, err := core.GetObject(ctx, b.name, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, remote(err, "get")
	}
	return body, nil
}

func (b *bucket) delete(ctx context.Context, key string) error {
	err := remote(b.client.RemoveObject(ctx, b.name, key, minio.RemoveObjectOptions{}), "delete")
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

func (b *bucket) exists(ctx context.Context, key string) (bool, error) {
	_, err := b.client.StatObject(ctx, b.name, key, minio.StatObjectOptions{})
	err = remote(err, "stat")
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// close has nothing to give back: the client's connections end by themselves.
func (b *bucket) close() error { return nil }

// remote gives an error of the server its kind. Every operation may be repeated, so a lost answer is
// Unavailable.
func remote(err error, what string) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fault.As(fault.Timeout, err, "the object store did not answer in time")
	}
	resp := minio.ToErrorResponse(err)
	switch {
	case resp.StatusCode == http.StatusNotFound && resp.Code != "NoSuchBucket":
		return fault.As(fault.NotFound, err, "there is no such object")
	case resp.StatusCode == http.StatusForbidden:
		return fault.As(fault.Unavailable, err, "the object store refuses us (%s)", what).At("S3_ACCESS_KEY").
			Try("check S3_ACCESS_KEY, S3_SECRET_KEY and the bucket's policy")
	case resp.StatusCode == http.StatusInsufficientStorage:
		return fault.As(fault.Unavailable, err, "the object store is full")
	default:
		return fault.As(fault.Unavailable, err, "the object store does not work (%s)", what).At("S3_ENDPOINT").Try("hearth doctor")
	}
}
