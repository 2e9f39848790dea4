/* lines: a source that makes one record of each line of a file, or of stdin.
 *
 *     source "in" { plugin "lines" { file = "in.jsonl" }, to = raw }
 *
 * A record is the line's bytes as they stand there, without the \n (a \r before it stays: to JSON it is white space). It
 * ends with its file, or with follow = true waits for more, also in a new file of the same name (the old one is read to
 * its end first, if this runs meanwhile). What stands behind the last \n is a record too, but only where nothing more
 * is waited for; a file that grows later goes on behind it.
 *
 * A regular file is read exactly once: the place behind the last line that was taken is kept with the records, so a
 * restart goes on there, also after a kill. With the place goes a mark of the file's first bytes. A file that no longer
 * begins with them, or is shorter than the place, is another one (rotated, written anew), and is read from its start.
 * Stdin, pipes and devices have no places: what was read from them and not committed is lost with the process.
 *
 * Of a line over `most` bytes one byte more than that is taken, so that a record limit of the same size sends it to the
 * dead letters and nothing vanishes in silence; the rest is skipped, and an error logged. The host calls read() on the
 * source's thread.
 */
#include "fairlead.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK (256u << 10)
#define HEAD 256u /* bytes of the file's beginning that tell it from another */
#define PAUSE 0.02
#define PATIENCE 50 /* pauses */
#define VERSION 1u

struct conf {
	const char *file;
	uint8_t follow;
	int64_t most;
};

/* What the store keeps. */
struct place {
	uint32_t version;
	uint32_t head_len; /* bytes that head was made of: all that had been read, but HEAD at most */
	uint64_t head;
	int64_t at;        /* the first byte that is in no record yet */
	uint64_t skipping; /* 1: the rest of the line there belongs to one that was too long */
};

struct self {
	struct fl_ctx *ctx;
	const struct fl_host *host;
	const struct conf *conf;
	struct fl_store *store;
	struct fl_meter *cut;
	char *path;
	int fd;
	int regular;
	int ended; /* read() has returned 0 bytes, and nothing came since */
	int idle;  /* pauses since the file was renamed */
	struct place place;
	char *buf; /* [room]: buf[from..to) is read and not taken; buf[from] is the byte place.at */
	size_t room, from, to;
};

static const struct fl_str PLACE = {"place", 5};

static int failed(char *err, const char *doing, const char *path)
{
	snprintf(err, FL_ERRLEN, "can't %s %s: %s", doing, path, strerror(errno));
	return -1;
}

/* ---- the file and the place in it ---- */

static uint64_t mark_of(const char *p, size_t n)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */
	for (size_t k = 0; k < n; k++)
		h = (h ^ (unsigned char)p[k]) * 1099511628211u;
	return h;
}

/* The mark of the first len bytes of the file; -1: it has not so many. */
static int head_of(struct self *self, uint32_t len, uint64_t *head)
{
	char p[HEAD];
	uint32_t n = 0;
	while (n < len) {
		ssize_t k = pread(self->fd, p + n, len - n, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		n += (uint32_t)k;
	}
	*head = mark_of(p, n);
	return 0;
}

static int file_open(struct self *self, char *err)
{
	struct stat st;
	if (strcmp(self->conf->file, "-") == 0)
		self->fd = dup(STDIN_FILENO);
	else
		self->fd = open(self->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (self->fd < 0 || fstat(self->fd, &st) < 0)
		return failed(err, "read", self->path);
	if (S_ISDIR(st.st_mode)) {
		snprintf(err, FL_ERRLEN, "%s is a directory; lines reads a file", self->path);
		return -1;
	}
	self->regular = S_ISREG(st.st_mode) && strcmp(self->conf->file, "-") != 0;
	return 0;
}

/* Goes to the kept place, if this is still the file that it is a place in. */
static int file_seek(struct self *self, char *err)
{
	struct stat st;
	uint64_t head = 0;
	struct place *pl = &self->place;
	self->from = self->to = 0;
	self->ended = 0;
	if (fstat(self->fd, &st) < 0)
		return failed(err, "read", self->path);
	if (pl->at > st.st_size || (pl->head_len && (head_of(self, pl->head_len, &head) < 0 || head != pl->head))) {
		self->host->log(self->ctx, FL_WARN, "%s is not the file that was read up to byte %lld: it is read from its start", self->path,
		                (long long)pl->at);
		*pl = (struct place){.version = VERSION};
	}
	if (lseek(self->fd, pl->at, SEEK_SET) < 0)
		return failed(err, "read", self->path);
	return 0;
}

/* The place as the store has it: another one than ours where the host went back to its last commit. */
static int place_load(struct self *self, char *err)
{
	uint32_t len = 0;
	struct place kept = {.version = VERSION};
	const void *p = self->host->state_get(self->store, PLACE, &len);
	if (p && len == sizeof kept)
		memcpy(&kept, p, len);
	if ((p && len != sizeof kept) || kept.version != VERSION) {
		snprintf(err, FL_ERRLEN, "the kept place is of another version than %u: use the lines.so that wrote it, or delete the app's data", VERSION);
		return -1;
	}
	if (memcmp(&kept, &self->place, sizeof kept) == 0)
		return 0;
	self->place = kept;
	return file_seek(self, err);
}

static int place_keep(struct self *self, char *err)
{
	struct place *pl = &self->place;
	if (pl->head_len < HEAD && pl->at > pl->head_len) {
		uint32_t len = pl->at < HEAD ? (uint32_t)pl->at : HEAD;
		if (head_of(self, len, &pl->head) < 0)
			return failed(err, "read the beginning of", self->path);
		pl->head_len = len;
	}
	return self->host->state_put(self->store, PLACE, pl, sizeof *pl, err);
}

/* Whether a followed file, read to its end, has been another one for a while, or was cut off. A writer may go on in a
 * renamed file until it notices, so not at once. */
static int file_gone(struct self *self)
{
	struct stat here, there;
	if (fstat(self->fd, &here) < 0)
		return 0;
	if (here.st_size < self->place.at + (int64_t)(self->to - self->from))
		return 1;
	if (stat(self->path, &there) < 0 || (here.st_dev == there.st_dev && here.st_ino == there.st_ino)) {
		self->idle = 0;
		return 0;
	}
	return ++self->idle > PATIENCE;
}

/* Opens the file that has the name now, and finds the place in it. */
static int file_next(struct self *self, char *err)
{
	int old = self->fd;
	self->idle = 0;
	if (file_open(self, err) < 0) {
		if (self->fd >= 0)
			close(self->fd);
		self->fd = old;
		return -1;
	}
	close(old);
	return file_seek(self, err);
}

/* ---- reading ---- */

/* Reads behind what is there. 1: more came; 0: nothing more at the moment; -1. */
static int fill(struct self *self, char *err)
{
	if (self->from) {
		memmove(self->buf, self->buf + self->from, self->to - self->from);
		self->to -= self->from;
		self->from = 0;
	}
	if (self->room - self->to < BLOCK) {
		size_t room = self->room * 2; /* most + BLOCK is never passed by much: longer lines are cut */
		char *p = realloc(self->buf, room);
		if (!p) {
			snprintf(err, FL_ERRLEN, "no memory is left for a line of %zu bytes", self->to);
			return -1;
		}
		self->buf = p;
		self->room = room;
	}
	if (!self->regular) {
		struct pollfd pf = {.fd = self->fd, .events = POLLIN};
		if (poll(&pf, 1, 0) == 0)
			return 0;
	}
	ssize_t n;
	do
		n = read(self->fd, self->buf + self->to, self->room - self->to);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return failed(err, "read", self->path);
	self->to += (size_t)n;
	self->ended = n == 0;
	return n > 0;
}

static void take(struct self *self, size_t len)
{
	self->from += len;
	self->place.at += (int64_t)len;
}

static void emit(struct self *self, size_t len)
{
	struct fl_str none = {NULL, 0}, line = {self->buf + self->from, (uint32_t)len};
	self->host->emit(self->ctx, NULL, 0, none, line);
}

/* Emits the lines that are there whole, want at most. */
static uint32_t take_lines(struct self *self, uint32_t want)
{
	uint32_t n = 0;
	const size_t most = (size_t)self->conf->most;
	while (n < want && self->from < self->to) {
		const char *p = self->buf + self->from;
		size_t have = self->to - self->from;
		const char *end = memchr(p, '\n', have);
		size_t len = end ? (size_t)(end - p) : have;
		if (self->place.skipping) {
			self->place.skipping = !end;
			take(self, end ? len + 1 : len);
			continue;
		}
		if (len > most) {
			self->host->log(self->ctx, FL_ERROR, "%s: the line at byte %lld is longer than %zu bytes; the rest of it is left out",
			                self->path, (long long)self->place.at, most);
			self->host->count(self->cut, (struct fl_str){NULL, 0}, 1);
			emit(self, most + 1);
			take(self, most + 1);
			self->place.skipping = 1;
			n++;
			continue;
		}
		if (!end)
			break;
		emit(self, len);
		take(self, len + 1);
		n++;
	}
	return n;
}

/* ---- the plugin ---- */

static void lines_close(void *arg)
{
	struct self *self = arg;
	if (self->fd >= 0)
		close(self->fd);
	free(self->buf);
	free(self->path);
	free(self);
}

static char *path_of(const char *dir, const char *file)
{
	char *path = NULL;
	if (strcmp(file, "-") == 0)
		return strdup("stdin");
	if (file[0] == '/')
		return strdup(file);
	return asprintf(&path, "%s/%s", dir, file) < 0 ? NULL : path;
}

static int lines_open(struct fl_ctx *ctx, const struct fl_host *host, const void *conf, void **out, char *err)
{
	const struct conf *c = conf;
	if (c->most < 1 || c->most > 1 << 30) {
		snprintf(err, FL_ERRLEN, "most is %lld bytes; it can be 1 to 1GiB", (long long)c->most);
		return -1;
	}
	if (c->follow && strcmp(c->file, "-") == 0) {
		snprintf(err, FL_ERRLEN, "follow is for files: stdin ends where its writer closes it");
		return -1;
	}
	struct self *self = calloc(1, sizeof *self);
	if (!self) {
		snprintf(err, FL_ERRLEN, "no memory is left");
		return -1;
	}
	*self = (struct self){.ctx = ctx, .host = host, .conf = c, .fd = -1, .room = 2 * BLOCK, .place.version = VERSION};
	self->path = path_of(host->data_dir(ctx), c->file);
	self->buf = malloc(self->room);
	if (!self->path || !self->buf) {
		snprintf(err, FL_ERRLEN, "no memory is left");
		goto failed;
	}
	if (file_open(self, err) < 0)
		goto failed;
	self->store = host->store(ctx, NULL, 0);
	self->cut = host->meter(ctx, "lines_cut", "Lines that were longer than most, and cut", NULL);
	*out = self;
	return 0;
failed:
	lines_close(self);
	return -1;
}

static int lines_read(void *arg, uint32_t want, double *wait, char *err)
{
	struct self *self = arg;
	uint32_t n = 0;
	int more = 1;
	if (self->regular && place_load(self, err) < 0)
		return -1;
	const int64_t was = self->place.at;
	while ((n += take_lines(self, want - n)) < want && (more = fill(self, err)) > 0)
		;
	if (more < 0)
		return -1;
	int gone = n == 0 && self->ended && self->regular && self->conf->follow && file_gone(self);
	if (n < want && self->ended && (!self->conf->follow || gone) && self->from < self->to) {
		emit(self, self->to - self->from);
		take(self, self->to - self->from);
		n++;
	}
	if (self->regular && self->place.at != was && place_keep(self, err) < 0)
		return -1;
	if (n)
		return (int)n;
	if (self->ended && !self->conf->follow)
		return -2;
	*wait = gone ? 0 : PAUSE;
	return gone ? file_next(self, err) : 0;
}

static const struct fl_option OPTIONS[] = {
	{"file", FL_OPT_STRING, "!", "the file, below the app's data where the path is relative; \"-\" is stdin", offsetof(struct conf, file), NULL},
	{"follow", FL_OPT_BOOL, "false", "at the end of the file, wait for more", offsetof(struct conf, follow), NULL},
	{"most", FL_OPT_SIZE, "1MiB", "bytes of a line; of a longer one the rest is left out", offsetof(struct conf, most), NULL},
	{0},
};

const struct fl_plugin fl_plugin = {
	.abi = FL_ABI,
	.size = sizeof(struct fl_plugin),
	.kind = FL_SOURCE,
	.name = "lines",
	.version = "1.0",
	.help = "a record for each line of a file or of stdin",
	.options = OPTIONS,
	.conf_size = sizeof(struct conf),
	.open = lines_open,
	.close = lines_close,
	.read = lines_read,
	.state_version = VERSION,
};
