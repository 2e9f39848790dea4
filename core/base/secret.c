/* Secrets: texts that must appear in no output. Added by the plan's env() on the main thread; asked by the log and by
 * what prints a plan, on any thread. They are kept for the life of the process. */
#include "log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LEAST 4 /* shorter texts stand everywhere by chance */

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct fl_str *secrets; /* the longest first, so that one that holds another goes whole */
static uint32_t count;

static void keep(const char *p, size_t n)
{
	if (n < LEAST)
		return;
	uint32_t at = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (secrets[i].len == n && memcmp(secrets[i].p, p, n) == 0)
			return;
		at += secrets[i].len >= n;
	}
	char *copy = fl_alloc(n);
	memcpy(copy, p, n);
	secrets = fl_realloc(secrets, (count + 1) * sizeof *secrets);
	memmove(secrets + at + 1, secrets + at, (count - at) * sizeof *secrets);
	secrets[at] = (struct fl_str){copy, (uint32_t)n};
	count++;
}

/* The password within scheme://user:password@host: libraries quote their URLs in parts. */
static void keep_password(const char *url)
{
	const char *user = strstr(url, "://");
	if (!user)
		return;
	user += 3;
	size_t authority = strcspn(user, "/?#");
	const char *at = memrchr(user, '@', authority);
	const char *colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;
	if (colon)
		keep(colon + 1, (size_t)(at - colon - 1));
}

void fl_secret_add(const char *secret)
{
	pthread_rwlock_wrlock(&lock);
	keep(secret, strlen(secret));
	keep_password(secret);
	pthread_rwlock_unlock(&lock);
}

static void mask_one(char *text, struct fl_str secret)
{
	char *from = text, *to = text;
	for (char *hit; (hit = memmem(from, strlen(from), secret.p, secret.len)); from = hit + secret.len) {
		memmove(to, from, (size_t)(hit - from));
		to += hit - from;
		memcpy(to, "***", 3);
		to += 3;
	}
	memmove(to, from, strlen(from) + 1);
}

void fl_secret_mask(char *text)
{
	pthread_rwlock_rdlock(&lock);
	for (uint32_t i = 0; i < count; i++)
		mask_one(text, secrets[i]);
	pthread_rwlock_unlock(&lock);
}
