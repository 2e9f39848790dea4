/* A disk whose power can be cut: a library for LD_PRELOAD that keeps, beside the files below a directory, what of them
 * was synced: `cut.py arm` before the process starts copies what there is, and `cut.py cut` after a SIGKILL puts the files
 * back to what was synced.
 *
 *   POWERCUT_DIR     files below it are watched (an absolute path without links)
 *   POWERCUT_SHADOW  where the synced contents are kept: the same names
 *
 * Each write, truncation and append notes the range it changed. fsync, fdatasync, and each write to a descriptor with
 * O_DSYNC or O_SYNC, copies the noted ranges into the shadow, and the file's size. Nothing is really synced: that is what
 * makes fifty cuts quick.
 *
 * What it takes for granted, in favour of the program: a sync of a new file also keeps its name, as ext4 and xfs have
 * it; unlink and rename take effect at once; one process writes a file. What is written through mmap is never kept, which
 * is right for the two files that are written so here (SQLite's -shm, LMDB's lock.mdb): both are made anew. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 4096
#define BLOCK 4096

struct file {
	struct file *next;
	dev_t dev;
	ino_t ino;
	char *name;           /* below the directory */
	unsigned char *dirty; /* a flag a block */
	size_t blocks;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;
static struct {
	struct file *file;
	int sync; /* opened with O_DSYNC or O_SYNC */
} table[FDS];
static const char *dir, *shadow;

static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);

__attribute__((constructor)) static void set_up(void)
{
	*(void **)&real_openat = dlsym(RTLD_NEXT, "openat");
	*(void **)&real_close = dlsym(RTLD_NEXT, "close");
	*(void **)&real_write = dlsym(RTLD_NEXT, "write");
	*(void **)&real_pwrite = dlsym(RTLD_NEXT, "pwrite");
	*(void **)&real_pwritev = dlsym(RTLD_NEXT, "pwritev");
	*(void **)&real_writev = dlsym(RTLD_NEXT, "writev");
	*(void **)&real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
	*(void **)&real_fsync = dlsym(RTLD_NEXT, "fsync");
	*(void **)&real_unlink = dlsym(RTLD_NEXT, "unlink");
	*(void **)&real_rename = dlsym(RTLD_NEXT, "rename");
	dir = getenv("POWERCUT_DIR");
	shadow = getenv("POWERCUT_SHADOW");
	if (!dir || !shadow)
		dir = shadow = NULL;
}

static void die(const char *what, const char *name)
{
	fprintf(stderr, "powercut: %s %s: %s\n", what, name, strerror(errno));
	_exit(99);
}

/* The name below the directory, NULL where the file is elsewhere. */
static const char *below(const char *path, char *room)
{
	if (!dir || !realpath(path, room))
		return NULL;
	size_t n = strlen(dir);
	return strncmp(room, dir, n) == 0 && room[n] == '/' ? room + n + 1 : NULL;
}

static int open_shadow(const char *name, int flags)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", shadow, name);
	for (char *p = path + strlen(shadow) + 1; flags & O_CREAT && (p = strchr(p, '/')); *p++ = '/') {
		*p = 0;
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			die("mkdir", path);
	}
	return real_openat(AT_FDCWD, path, flags | O_CLOEXEC, 0644);
}

/* Copies what is noted. */
static void keep(struct file *f)
{
	static char block[BLOCK];
	char path[PATH_MAX];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", dir, f->name);
	int from = real_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC), to = open_shadow(f->name, O_WRONLY | O_CREAT);
	if (from < 0 || to < 0 || fstat(from, &st) != 0)
		die("copying", path);
	size_t blocks = ((size_t)st.st_size + BLOCK - 1) / BLOCK;
	for (size_t i = 0; i < blocks; i++) {
		if (i >= f->blocks || !f->dirty[i])
			continue;
		ssize_t n = pread(from, block, BLOCK, (off_t)i * BLOCK);
		if (n < 0 || real_pwrite(to, block, (size_t)n, (off_t)i * BLOCK) != n)
			die("copying", path);
	}
	if (real_ftruncate(to, st.st_size) != 0)
		die("copying", path);
	if (f->blocks)
		memset(f->dirty, 0, f->blocks);
	real_close(from);
	real_close(to);
}

static void note(struct file *f, off_t at, off_t end)
{
	size_t last = ((size_t)end + BLOCK - 1) / BLOCK;
	if (last > f->blocks) {
		f->dirty = realloc(f->dirty, last * 2);
		if (!f->dirty)
			die("memory for", f->name);
		memset(f->dirty + f->blocks, 0, last * 2 - f->blocks);
		f->blocks = last * 2;
	}
	if (end > at)
		memset(f->dirty + at / BLOCK, 1, last - (size_t)at / BLOCK);
}

static void opened(int fd, const char *path, int flags)
{
	char room[PATH_MAX];
	struct stat st;
	const char *name = fd >= 0 && fd < FDS ? below(path, room) : NULL;
	if (!name || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	pthread_mutex_lock(&lock);
	struct file *f = files;
	while (f && (f->dev != st.st_dev || f->ino != st.st_ino || strcmp(f->name, name) != 0))
		f = f->next;
	if (!f) {
		f = calloc(1, sizeof *f);
		if (!f || !(f->name = strdup(name)))
			die("memory for", name);
		f->dev = st.st_dev;
		f->ino = st.st_ino;
		f->next = files;
		files = f;
	}
	table[fd].file = f;
	table[fd].sync = (flags & (O_DSYNC | O_SYNC)) != 0;
	pthread_mutex_unlock(&lock);
}

static int open_any(int at, const char *path, int flags, mode_t mode)
{
	int fd = real_openat(at, path, flags, mode);
	if (dir && at == AT_FDCWD)
		opened(fd, path, flags);
	return fd;
}

#define OPEN(name, params, at) \
	int name params; \
	int name params \
	{ \
		mode_t mode = 0; \
		if (flags & (O_CREAT | O_TMPFILE)) { \
			va_list ap; \
			va_start(ap, flags); \
			mode = va_arg(ap, mode_t); \
			va_end(ap); \
		} \
		return open_any(at, path, flags, mode); \
	}

OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, (int dirfd, const char *path, int flags, ...), dirfd)
OPEN(openat64, (int dirfd, const char *path, int flags, ...), dirfd)

static struct file *file_of(int fd) { return dir && fd >= 0 && fd < FDS ? table[fd].file : NULL; }

int close(int fd)
{
	if (file_of(fd))
		table[fd].file = NULL;
	return real_close(fd);
}

/* Under the lock, so that no write slips between another one's content and its note. */
static void written(int fd, off_t at, ssize_t n)
{
	struct file *f = file_of(fd);
	if (n <= 0)
		return;
	note(f, at, at + n);
	if (table[fd].sync)
		keep(f);
}

static off_t place(int fd)
{
	struct stat st;
	return fcntl(fd, F_GETFL) & O_APPEND && fstat(fd, &st) == 0 ? st.st_size : lseek(fd, 0, SEEK_CUR);
}

#define WRITE(name, params, real, call, offset) \
	ssize_t name params; \
	ssize_t name params \
	{ \
		if (!file_of(fd)) \
			return real call; \
		pthread_mutex_lock(&lock); \
		off_t from = offset; \
		ssize_t n = real call; \
		written(fd, from, n); \
		pthread_mutex_unlock(&lock); \
		return n; \
	}

WRITE(write, (int fd, const void *p, size_t len), real_write, (fd, p, len), place(fd))
WRITE(pwrite, (int fd, const void *p, size_t len, off_t at), real_pwrite, (fd, p, len, at), at)
WRITE(pwrite64, (int fd, const void *p, size_t len, off_t at), real_pwrite, (fd, p, len, at), at)
WRITE(writev, (int fd, const struct iovec *v, int count), real_writev, (fd, v, count), place(fd))
WRITE(pwritev, (int fd, const struct iovec *v, int count, off_t at), real_pwritev, (fd, v, count, at), at)
WRITE(pwritev64, (int fd, const struct iovec *v, int count, off_t at), real_pwritev, (fd, v, count, at), at)

int ftruncate(int fd, off_t len)
{
	struct file *f = file_of(fd);
	struct stat st;
	if (!f)
		return real_ftruncate(fd, len);
	pthread_mutex_lock(&lock);
	off_t was = fstat(fd, &st) == 0 ? st.st_size : 0;
	int rc = real_ftruncate(fd, len);
	if (rc == 0)
		note(f, was < len ? was : len, was < len ? len : was);
	pthread_mutex_unlock(&lock);
	return rc;
}
int ftruncate64(int fd, off_t len) { return ftruncate(fd, len); }

int fsync(int fd)
{
	struct file *f = file_of(fd);
	if (!f)
		return dir ? 0 : real_fsync(fd);
	pthread_mutex_lock(&lock);
	keep(f);
	pthread_mutex_unlock(&lock);
	return 0;
}
int fdatasync(int fd) { return fsync(fd); }

static void forget(const char *name)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", shadow, name);
	real_unlink(path);
	for (struct file *f = files; f; f = f->next)
		if (strcmp(f->name, name) == 0)
			f->ino = 0; /* another file may get its number */
}

int unlink(const char *path)
{
	char room[PATH_MAX];
	const char *name = below(path, room);
	pthread_mutex_lock(&lock);
	int rc = real_unlink(path);
	if (rc == 0 && name)
		forget(name);
	pthread_mutex_unlock(&lock);
	return rc;
}

/* The synced content goes along under the new name. */
int rename(const char *from, const char *to)
{
	char room[PATH_MAX], room2[PATH_MAX], old[PATH_MAX + 1], now[PATH_MAX + 1];
	const char *name = below(from, room);
	pthread_mutex_lock(&lock);
	int rc = real_rename(from, to);
	const char *name2 = rc == 0 ? below(to, room2) : NULL;
	if (name && name2) {
		snprintf(old, sizeof old, "%s/%s", shadow, name);
		snprintf(now, sizeof now, "%s/%s", shadow, name2);
		if (real_rename(old, now) != 0)
			real_unlink(now);
		for (struct file *f = files; f; f = f->next)
			if (f->ino && strcmp(f->name, name) == 0) {
				char *copy = strdup(name2);
				free(f->name);
				f->name = copy;
			}
	}
	pthread_mutex_unlock(&lock);
	return rc;
}
