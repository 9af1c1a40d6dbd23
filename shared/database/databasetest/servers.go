// Package databasetest runs the database servers that are installed here, for tests.
package databasetest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is the user that a server runs as when the tests run as root, which PostgreSQL refuses to.
const nobody = 65534

// Postgres runs a PostgreSQL server of its own and returns its address as its superuser.
func Postgres(t *testing.T) string {
	t.Helper()
	bin := find(t, "initdb", "/usr/lib/postgresql/*/bin", "PostgreSQL: apt-get install postgresql")
	dir := serverDir(t)
	data := filepath.Join(dir, "data")
	run(t, dir, filepath.Join(bin, "initdb"), "-D", data, "-U", "hearth", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	port := freePort(t)
	serve(t, dir, "ready to accept connections", filepath.Join(bin, "postgres"), "-D", data, "-p", port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+dir, "-c", "fsync=off")
	return "postgres://hearth@127.0.0.1:" + port + "/postgres?sslmode=disable"
}

// MySQL runs a MariaDB server of its own and returns its address as its superuser.
func MySQL(t *testing.T) string {
	t.Helper()
	bin := find(t, "mariadbd", "/usr/sbin", "MariaDB: apt-get install mariadb-server")
	install := find(t, "mariadb-install-db", "/usr/bin", "MariaDB: apt-get install mariadb-server")
	dir := serverDir(t)
	data, port := filepath.Join(dir, "data"), freePort(t)
	run(t, dir, filepath.Join(install, "mariadb-install-db"), "--no-defaults", "--datadir="+data, "--skip-test-db", "--auth-root-authentication-method=normal")
	serve(t, dir, "ready for connections", filepath.Join(bin, "mariadbd"), "--no-defaults", "--datadir="+data, "--port="+port,
		"--bind-address=127.0.0.1", "--socket="+filepath.Join(dir, "s"), "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve")
	return "mysql://root@127.0.0.1:" + port + "/mysql"
}

// find returns the folder of a program, on PATH or in where, and skips the test when there is none.
func find(t *testing.T, program, where, missing string) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil {
		// The folder itself: Debian's wrappers on PATH find their cluster by where they really are.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(real)
		}
	}
	found, err := filepath.Glob(filepath.Join(where, program))
	if err != nil || len(found) == 0 {
		t.Skip("needs " + missing)
	}
	return filepath.Dir(found[len(found)-1])
}

// serverDir is a folder that nobody can use; t.TempDir's parents are closed to others.
func serverDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hearth-db-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if os.Getuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Skip("cannot hand a folder to a user who is not root: " + err.Error())
		}
	}
	return dir
}

func command(t *testing.T, dir, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, args...)
	// A MariaDB that starts deletes the temporary tables of others, where it finds any.
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "TMPDIR=" + dir, "PATH=" + os.Getenv("PATH"), "TZ=UTC", "LC_ALL=C"}
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

func run(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	if out, err := command(t, dir, program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// serve starts a server, waits for the line that says it is ready, and stops it at the test's end.
func serve(t *testing.T, dir, ready, program string, args ...string) {
	t.Helper()
	cmd := command(t, dir, program, args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up, read := make(chan struct{}), make(chan string, 1)
	go func() {
		var log strings.Builder
		lines := bufio.NewScanner(io.TeeReader(stderr, &log))
		for announced := false; lines.Scan(); {
			if !announced && strings.Contains(lines.Text(), ready) {
				announced = true
				close(up)
			}
		}
		read <- log.String()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // it may be gone already
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-read
		_ = cmd.Wait() // its exit status after a signal says nothing
	})
	select {
	case <-up:
	case log := <-read:
		read <- log
		t.Fatalf("%s ended before it was ready:\n%s", program, log)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}
