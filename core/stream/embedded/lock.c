/* One daemon an app: a lock on <dir>/lock, with the pid in it for the message. The kernel drops it with the process,
 * so nothing is stale after a kill. Called when streams are opened and closed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "embedded.h"

static void write_pid(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	/* Only for people: where it cannot be written (a full disk), the lock holds as well. */
	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) != n)
		(void)!ftruncate(fd, 0);
}

int fl_emb_lock(struct embedded *e, char *err)
{
	char *name = fl_printf("%s/lock", e->dir);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644), got = -1;
	if (fd < 0) {
		fl_err(err, "%s: it cannot be opened: %s; the daemon needs to write in this directory", name, strerror(errno));
	} else if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		write_pid(fd);
		e->lock_fd = fd;
		got = 0;
	} else if (errno == EWOULDBLOCK) {
		char pid[32] = "";
		ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
		pid[n > 0 ? strspn(pid, "0123456789") : 0] = 0;
		fl_err(err, "%s is run by process %s already; stop it, or use another --data", e->dir, *pid ? pid : "(unknown)");
		got = 1;
	} else {
		fl_err(err, "%s: it cannot be locked: %s; a directory on a local disk is needed", name, strerror(errno));
	}
	if (got && fd >= 0)
		close(fd);
	free(name);
	return got;
}

void fl_emb_unlock(struct embedded *e)
{
	if (e->lock_fd >= 0)
		close(e->lock_fd);
	e->lock_fd = -1;
}
