package blob_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/hearthfaas/hearth/shared/blob"
	"github.com/hearthfaas/hearth/shared/blob/blobtest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
)

func open(t testing.TB, settings map[string]string) *blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), fntest.Env(t, settings))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDirectory(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Target {
		data := t.TempDir()
		file := func(key string) string { return filepath.Join(data, "blobs", filepath.FromSlash(key)) }
		return blobtest.Target{
			Store: open(t, map[string]string{"HEARTH_DATA": data}),
			Raw: func(t testing.TB, key string) []byte {
				raw, err := os.ReadFile(file(key))
				if err != nil {
					t.Fatal(err)
				}
				return raw
			},
			Plant: func(t testing.TB, key string, content []byte) {
				if err := os.WriteFile(file(key), content, 0o600); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestBucketInProcess(t *testing.T) {
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(server.Close)
	blobtest.Run(t, bucket(map[string]string{
		"S3_ENDPOINT": server.URL, "S3_ACCESS_KEY": "test", "S3_SECRET_KEY": "test-secret", "S3_BUCKET": "hearth-test",
	}))
}

// TestBucketOnServer runs against a real server: the one that TEST_S3_ENDPOINT and its keys name, else a
// versitygw from the PATH.
func TestBucketOnServer(t *testing.T) {
	settings := map[string]string{
		"S3_ENDPOINT": os.Getenv("TEST_S3_ENDPOINT"), "S3_ACCESS_KEY": os.Getenv("TEST_S3_ACCESS_KEY"),
		"S3_SECRET_KEY": os.Getenv("TEST_S3_SECRET_KEY"), "S3_BUCKET": "hearth-blob-test",
	}
	if settings["S3_ENDPOINT"] == "" {
		settings["S3_ACCESS_KEY"], settings["S3_SECRET_KEY"] = "test", "test-secret"
		settings["S3_ENDPOINT"] = startServer(t, settings["S3_ACCESS_KEY"], settings["S3_SECRET_KEY"])
	}
	blobtest.Run(t, bucket(settings))
}

// startServer starts versitygw on an empty folder and returns its URL once it says that it listens.
func startServer(t *testing.T, access, secret string) string {
	program, err := exec.LookPath("versitygw")
	if err != nil {
		t.Skip("SKIP: no S3 server (TEST_S3_ENDPOINT names one, or put versitygw on the PATH)")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--port", address, "posix", t.TempDir())
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + access, "ROOT_SECRET_KEY=" + secret}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "http://"+address) {
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		<-drained
		_ = cmd.Wait() // says that it was killed
	})
	return "http://" + address
}

func bucket(settings map[string]string) func(t *testing.T) blobtest.Target {
	return func(t *testing.T) blobtest.Target {
		store := open(t, settings)
		client, err := minio.New(strings.TrimPrefix(settings["S3_ENDPOINT"], "http://"), &minio.Options{
			Creds: credentials.NewStaticV4(settings["S3_ACCESS_KEY"], settings["S3_SECRET_KEY"], ""), Region: "us-east-1",
		})
		if err != nil {
			t.Fatal(err)
		}
		return blobtest.Target{
			Store: store,
			Raw: func(t testing.TB, key string) []byte {
				object, err := client.GetObject(t.Context(), settings["S3_BUCKET"], key, minio.GetObjectOptions{})
				if err != nil {
					t.Fatal(err)
				}
				raw, err := io.ReadAll(object)
				if err != nil {
					t.Fatal(err)
				}
				return raw
			},
			Plant: func(t testing.TB, key string, content []byte) {
				_, err := client.PutObject(t.Context(), settings["S3_BUCKET"], key, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{})
				if err != nil {
					t.Fatal(err)
				}
			},
		}
	}
}

func TestAnotherKeyDoesNotOpen(t *testing.T) {
	data := t.TempDir()
	if err := open(t, map[string]string{"HEARTH_DATA": data}).Put(t.Context(), "a", strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	other := open(t, map[string]string{"HEARTH_DATA": data, "ENCRYPTION_KEY": strings.Repeat("ab", 32)})
	r, err := other.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "ENCRYPTION_KEY") {
		t.Fatal(err)
	}
}

func TestDirectoryHoldsNoLinks(t *testing.T) {
	data, outside := t.TempDir(), t.TempDir()
	store := open(t, map[string]string{"HEARTH_DATA": data})
	if err := os.Symlink(outside, filepath.Join(data, "blobs", "linked")); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), "linked/a", strings.NewReader("x"), 1); err == nil {
		t.Error("wrote through a link")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside: %v %v", entries, err)
	}
}

func TestDirectoryIsPrivateAndTidy(t *testing.T) {
	data := t.TempDir()
	unfinished := filepath.Join(data, "blobs", ".unfinished")
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"old": 48 * time.Hour, "new": time.Minute} {
		file := filepath.Join(unfinished, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	store := open(t, map[string]string{"HEARTH_DATA": data})
	if err := store.Put(t.Context(), "a/b", strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	var files []string
	err := filepath.WalkDir(filepath.Join(data, "blobs"), func(name string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", name, info.Mode())
		}
		if !e.IsDir() {
			files = append(files, e.Name())
		}
		return err
	})
	if err != nil || strings.Join(files, " ") != "new b" {
		t.Fatalf("%v %v", files, err)
	}
}

func TestBadSettings(t *testing.T) {
	good := map[string]string{"S3_ENDPOINT": "http://127.0.0.1:1", "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "b"}
	for name, tc := range map[string]struct {
		change map[string]string
		want   fault.Kind
	}{
		"no scheme":       {map[string]string{"S3_ENDPOINT": "127.0.0.1:9000"}, fault.Invalid},
		"another scheme":  {map[string]string{"S3_ENDPOINT": "ftp://127.0.0.1"}, fault.Invalid},
		"a path":          {map[string]string{"S3_ENDPOINT": "http://127.0.0.1/bucket"}, fault.Invalid},
		"no secret":       {map[string]string{"S3_SECRET_KEY": " "}, fault.Unauthorized},
		"no access key":   {map[string]string{"S3_ACCESS_KEY": ""}, fault.Unauthorized},
		"nobody is there": {nil, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			settings := maps.Clone(good)
			maps.Copy(settings, tc.change)
			if _, err := blob.Open(t.Context(), fntest.Env(t, settings)); !fault.Is(err, tc.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestBucketFaults gives each answer of a server that fails its kind.
func TestBucketFaults(t *testing.T) {
	for code, want := range map[int]fault.Kind{
		http.StatusForbidden: fault.Unavailable, http.StatusNotFound: fault.NotFound, http.StatusInternalServerError: fault.Unavailable,
	} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			failing := false
			fake := gofakes3.New(s3mem.New()).Server()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if failing {
					w.WriteHeader(code)
					return
				}
				fake.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			store := open(t, map[string]string{"S3_ENDPOINT": server.URL, "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "b"})
			failing = true
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if _, err := store.Get(ctx, "a"); !fault.Is(err, want) {
				t.Errorf("get: %v", err)
			}
		})
	}
}
