/* Streams alone under power cuts; powercut.sh runs it.
 *
 *   streams write DIR POWER   commits for ever, and prints after each step that is in, with one write():
 *                             "<step> <base in a> <base in b>"; what it printed, somebody has seen
 *   streams check DIR POWER   reads what those lines said from stdin, oldest boot first, and compares
 *
 * Step s appends to stream a three records and to b one, each the text "<boot>.<s>", and sets the position of "r"
 * to "one past the last record in a", the only thing that moves with them. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../../core/stream/stream.h"

static char err[FL_ERRLEN];

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static struct fl_segment *make(uint32_t n, const char *text, size_t len)
{
	struct fl_buf b = {0};
	for (uint32_t i = 0; i < n; i++)
		fl_segment_add(&b, &(struct fl_record){.value = {text, (uint32_t)len}});
	return fl_segment_take(&b, n);
}

static struct fl_txn *make_step(const char *boot, int64_t step, int64_t next)
{
	static char text[20000]; /* some steps are large, so that pages overflow and the WAL comes round */
	struct fl_txn *t = fl_alloc(sizeof *t);
	memset(text, ' ', sizeof text);
	int len = snprintf(text, sizeof text, "%s.%lld", boot, (long long)step);
	text[len] = ' ';
	t->append = fl_alloc(2 * sizeof *t->append);
	t->append[0] = (struct fl_append){0, 0, make(3, text, step % 16 ? 40 : sizeof text)};
	t->append[1] = (struct fl_append){1, 0, make(1, text, 40)};
	t->appends = 2;
	t->bytes = t->append[0].segment->size + t->append[1].segment->size;
	t->position = fl_alloc(sizeof *t->position);
	t->position[0] = (struct fl_reader_position){"r", 0, 0, next};
	t->positions = 1;
	return t;
}

static struct fl_streams *open_streams(const char *dir, int power)
{
	struct fl_streams_conf conf = {.dir = dir, .app = "powercut", .power = power, .wal = 2 << 20};
	struct fl_streams *s = fl_embedded_open(&conf, err);
	if (!s || s->ops->declare(s, &(struct fl_stream_def){.name = "a", .partitions = 1}, err) != 0 ||
	    s->ops->declare(s, &(struct fl_stream_def){.name = "b", .partitions = 1, .keep_bytes = 100000}, err) != 1)
		fail(err);
	return s;
}

static void write_for_ever(struct fl_streams *s)
{
	const char *boot = getenv("FAIRLEAD_BOOT_ID");
	int64_t first, next;
	if (s->ops->bounds(s, 0, 0, &first, &next, err) != 0)
		fail(err);
	for (int64_t step = 0;; step++) {
		char line[100];
		struct fl_txn *t = make_step(boot, step, next + 3);
		s->ops->commit(s, t);
		while (!atomic_load_explicit(&t->done, memory_order_acquire))
			usleep(20);
		next = t->append[0].segment->base + 3;
		int len = snprintf(line, sizeof line, "%s.%lld %lld %lld\n", boot, (long long)step, (long long)next - 3,
		                   (long long)t->append[1].segment->base);
		if (write(1, line, (size_t)len) != len)
			exit(1);
		fl_txn_free(t);
	}
}

/* All records of a stream as lines "<text> <offset>". */
struct have {
	char text[40];
	int64_t offset;
};

static struct have *read_all(struct fl_streams *s, uint32_t stream, size_t *n)
{
	struct have *have = NULL;
	struct fl_reader *r = s->ops->reader(s, err);
	struct fl_segment *seg;
	int64_t from = 0;
	int rc;
	while ((rc = s->ops->read(r, stream, 0, from, &seg, err)) == 1) {
		struct fl_record rec;
		size_t at = 0;
		for (from = seg->base; fl_segment_next(seg, &at, &rec) == 1; from++) {
			have = fl_realloc(have, (*n + 1) * sizeof *have);
			snprintf(have[*n].text, sizeof have->text, "%.*s", (int)strcspn(rec.value.p, " "), rec.value.p);
			have[(*n)++].offset = from;
		}
		fl_segment_unref(seg);
	}
	if (rc < 0)
		fail(err);
	s->ops->reader_close(r);
	return have;
}

static int integrity(const char *dir)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	char *file = fl_printf("%s/streams.db", dir);
	int ok = sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
	         sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL) == SQLITE_OK &&
	         sqlite3_step(st) == SQLITE_ROW &&
	         strcmp((const char *)sqlite3_column_text(st, 0), "ok") == 0;
	sqlite3_finalize(st);
	sqlite3_close(db);
	free(file);
	return ok;
}

/* Was seen: by offset, what a reader may have kept. A step that was seen is there whole, or gone with all that came
 * after it in the same boot; an offset that was seen never holds anything else. */
static void check(struct fl_streams *s, int power)
{
	size_t n = 0, at = 0, lost = 0, m = 0;
	struct have *a = read_all(s, 0, &n), *b = read_all(s, 1, &m);
	char text[40], gone[40] = "";
	long long base, base_b, highest = -1, highest_b = -1;
	while (scanf("%39s %lld %lld", text, &base, &base_b) == 3) {
		size_t boot = strcspn(text, ".");
		while (at < n && a[at].offset < base)
			at++;
		int there = at + 2 < n && a[at].offset == base && strcmp(a[at].text, text) == 0 && strcmp(a[at + 2].text, text) == 0;
		if (!there && at < n && a[at].offset < base + 3)
			fail("an offset that was seen holds another record now");
		if (there && strlen(gone) > boot && strncmp(gone, text, boot + 1) == 0)
			fail("a step is gone, and one after it is there");
		if (!there)
			snprintf(gone, sizeof gone, "%s", text), lost++;
		for (size_t i = 0; i < m; i++)
			if (b[i].offset == base_b && (!there || strcmp(b[i].text, text) != 0))
				fail("the two streams of a step do not agree");
		highest = base + 2 > highest ? base + 2 : highest;
		highest_b = base_b > highest_b ? base_b : highest_b;
	}
	if (power && lost)
		fail("with durability = \"power\" a step that was acknowledged is gone");
	int64_t first, next, next_b, position = s->ops->position(s, "r", 0, 0, err);
	if (s->ops->bounds(s, 1, 0, &first, &next_b, err) != 0 ||
	    s->ops->bounds(s, 0, 0, &first, &next, err) != 0 || position < -1)
		fail(err);
	if (next <= highest || next_b <= highest_b)
		fail("an offset that was seen would be given again");
	if (n % 3 || (n > 0 && strcmp(a[n - 1].text, a[n - 3].text) != 0))
		fail("a step is there in part");
	if ((n == 0) != (position < 0) || (n > 0 && position != a[n - 1].offset + 1))
		fail("the position is not that of the last step that is there");
	printf("%zu steps there, %zu gone\n", n / 3, lost);
	free(a);
	free(b);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		fail("usage: streams write|check DIR POWER");
	int power = atoi(argv[3]);
	struct fl_streams *s = open_streams(argv[2], power);
	if (strcmp(argv[1], "write") == 0)
		write_for_ever(s);
	check(s, power);
	s->ops->close(s);
	if (!integrity(argv[2]))
		fail("PRAGMA integrity_check finds damage");
	return 0;
}
