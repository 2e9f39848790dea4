/* The log: every line of it leaves here, in one write under one lock, so that lines of different threads never mix and
 * the status line stays below them. Called on any thread; never for each event. */
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"

#define SECOND 1.0
#define SLOTS 16 /* texts watched for repetition at a time */

/* A text that was written within the last second, and how often it came again since. */
struct seen {
	char *who, *text;
	enum fl_level level;
	double first;
	uint64_t again;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int as_json;
static _Atomic int tty = -1;
static enum fl_level least = FL_INFO;
static struct fl_buf message, line;
static struct seen seen[SLOTS];
static char *status;

static const char *const level_name[] = {"error", "warn", "info", "debug"};
static const char *const level_colour[] = {"\033[31m", "\033[33m", "\033[32m", "\033[2m"};

int fl_log_tty(void)
{
	if (tty < 0) {
		const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
		tty = isatty(STDERR_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
	}
	return tty;
}

/* ---- bytes ----------------------------------------------------------------------------------------------------- */

/* Length of the valid UTF-8 sequence at p, 0 where there is none. */
static int utf8_len(const unsigned char *p, size_t left)
{
	if (p[0] < 0x80)
		return 1;
	int n = p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
	if (!n || left < (size_t)n)
		return 0;
	for (int i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* A message may quote a record: its control characters must not reach a terminal, nor its broken UTF-8 a JSON reader. */
static void put_clean(struct fl_buf *b, const char *text, size_t len, int json)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	while (p < end) {
		int n = utf8_len(p, (size_t)(end - p));
		if (n == 0) {
			FL_BUF_LIT(b, "\xef\xbf\xbd");
			n = 1;
		} else if (json && (*p == '"' || *p == '\\')) {
			fl_buf_byte(b, '\\');
			fl_buf_byte(b, (char)*p);
		} else if (json && *p == '\n') {
			FL_BUF_LIT(b, "\\n");
		} else if (*p < 0x20 && !(*p == '\t' && !json)) {
			fl_buf_printf(b, json ? "\\u%04x" : "\\x%02x", *p);
		} else if (*p == 0x7f || (*p == 0xc2 && p[1] < 0xa0)) {
			fl_buf_printf(b, "\\u%04x", *p == 0x7f ? 0x7f : p[1]);
		} else {
			fl_buf_add(b, p, (size_t)n);
		}
		p += n;
	}
}

static void put_all(const struct fl_buf *b)
{
	for (size_t done = 0; done < b->len;) {
		ssize_t n = write(STDERR_FILENO, b->p + done, b->len - done);
		if (n < 0 && errno != EINTR)
			return; /* nobody reads the log any more: there is no place left to say so */
		done += n > 0 ? (size_t)n : 0;
	}
}

/* ---- one line -------------------------------------------------------------------------------------------------- */

static void put_time(struct fl_buf *b, double now)
{
	time_t s = (time_t)now;
	int ms = (int)((now - (double)s) * 1e3);
	struct tm tm;
	char text[32];
	if (as_json)
		gmtime_r(&s, &tm);
	else
		localtime_r(&s, &tm);
	strftime(text, sizeof text, as_json ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
	fl_buf_printf(b, as_json ? "%s.%03dZ" : "%s.%03d", text, ms);
}

static void put_json(struct fl_buf *b, double now, enum fl_level level, const char *who, const char *text)
{
	FL_BUF_LIT(b, "{\"time\":\"");
	put_time(b, now);
	fl_buf_printf(b, "\",\"level\":\"%s\",\"who\":\"", level_name[level]);
	put_clean(b, who, strlen(who), 1);
	FL_BUF_LIT(b, "\",\"message\":\"");
	put_clean(b, text, strlen(text), 1);
	FL_BUF_LIT(b, "\"}\n");
}

/* The lines after the first (a traceback) are indented, so that whoever greps sees where a message begins. */
static void put_text(struct fl_buf *b, double now, enum fl_level level, const char *who, const char *text)
{
	int colour = fl_log_tty();
	if (colour)
		FL_BUF_LIT(b, "\033[2m");
	put_time(b, now);
	fl_buf_printf(b, "%s %s%s%s", colour ? "\033[0m" : "", colour ? level_colour[level] : "", level_name[level],
		colour ? "\033[0m" : "");
	fl_buf_printf(b, *who ? " %s: " : " ", who);
	for (;;) {
		size_t n = strcspn(text, "\n");
		put_clean(b, text, n, 0);
		fl_buf_byte(b, '\n');
		text += n;
		text += *text == '\n';
		if (!*text)
			return;
		FL_BUF_LIT(b, "    ");
	}
}

/* The status, cut to the width of the terminal: a line that wraps could not be wiped. */
static void put_status(struct fl_buf *b)
{
	struct winsize size;
	int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
	const char *p = status;
	while (*p && width > 0) {
		int n = utf8_len((const unsigned char *)p, strlen(p));
		if (n == 0)
			n = 1;
		p += n;
		width--;
	}
	put_clean(b, status, (size_t)(p - status), 0);
}

static void put_line(double now, enum fl_level level, const char *who, const char *text)
{
	line.len = 0;
	if (status)
		FL_BUF_LIT(&line, "\r\033[K");
	if (as_json)
		put_json(&line, now, level, who, text);
	else
		put_text(&line, now, level, who, text);
	if (status)
		put_status(&line);
	put_all(&line);
}

/* ---- repetition ------------------------------------------------------------------------------------------------ */

static void forget(struct seen *s, double now)
{
	if (s->again) {
		char *text = fl_printf("%.*s (and %llu more of these)", (int)strcspn(s->text, "\n"), s->text, (unsigned long long)s->again);
		put_line(now, s->level, s->who, text);
		free(text);
	}
	free(s->who);
	free(s->text);
	*s = (struct seen){0};
}

static void forget_old(double now)
{
	for (int i = 0; i < SLOTS; i++)
		if (seen[i].text && (now - seen[i].first >= SECOND || now < seen[i].first))
			forget(&seen[i], now);
}

/* 1: the text was written less than a second ago, and is counted now. */
static int repeated(double now, enum fl_level level, const char *who, const char *text)
{
	struct seen *oldest = &seen[0];
	for (struct seen *s = seen; s < seen + SLOTS; s++) {
		if (s->text && s->level == level && strcmp(s->text, text) == 0 && strcmp(s->who, who) == 0) {
			s->again++;
			return 1;
		}
		if (!s->text || (oldest->text && s->first < oldest->first))
			oldest = s;
	}
	forget(oldest, now);
	*oldest = (struct seen){.who = fl_strdup(who), .text = fl_strdup(text), .level = level, .first = now};
	return 0;
}

/* What was counted and not yet said is said at the end. */
static void finish(void)
{
	pthread_mutex_lock(&lock);
	double now = fl_now();
	for (int i = 0; i < SLOTS; i++)
		forget(&seen[i], now);
	pthread_mutex_unlock(&lock);
}

/* ---- the interface --------------------------------------------------------------------------------------------- */

void fl_log_setup(int json, enum fl_level level)
{
	static int registered;
	as_json = json;
	least = level;
	tty = -1;
	if (json)
		tty = 0; /* no status line and no colour between JSON lines, whoever reads them */
	else
		fl_log_tty();
	if (!registered)
		registered = atexit(finish) == 0;
}

void fl_log(enum fl_level level, const char *who, const char *fmt, ...)
{
	if (level > least)
		return;
	pthread_mutex_lock(&lock);
	double now = fl_now();
	forget_old(now);
	message.len = 0;
	va_list ap;
	va_start(ap, fmt);
	fl_buf_vprintf(&message, fmt, ap);
	va_end(ap);
	fl_buf_byte(&message, 0);
	fl_secret_mask(message.p);
	if (!repeated(now, level, who ? who : "", message.p))
		put_line(now, level, who ? who : "", message.p);
	pthread_mutex_unlock(&lock);
}

void fl_log_status(const char *text)
{
	pthread_mutex_lock(&lock);
	forget_old(fl_now());
	if (fl_log_tty() && (text || status)) {
		free(status);
		status = text ? fl_strdup(text) : NULL;
		if (status)
			fl_secret_mask(status);
		line.len = 0;
		FL_BUF_LIT(&line, "\r\033[K");
		if (status)
			put_status(&line);
		put_all(&line);
	}
	pthread_mutex_unlock(&lock);
}
