/* The private copy of a .so that is loaded in its place. A library is mapped, so whoever overwrites the file would
 * change or kill the running code; and the loader knows files by name and inode, so that a replaced one would not be
 * read again. A copy in memory has neither trouble. Called by module.c, on any thread. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"

#define LARGEST ((int64_t)256 << 20)
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int memory_file(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_EXEC);
	return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC) : fd; /* before Linux 6.3 */
}

static int copy_bytes(int from, int to)
{
	char bytes[65536];
	for (int64_t total = 0;;) {
		ssize_t n = read(from, bytes, sizeof bytes);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (total += n) > LARGEST)
			return -1;
		for (ssize_t at = 0, w; at < n; at += w)
			if ((w = write(to, bytes + at, (size_t)(n - at))) < 0) {
				if (errno != EINTR)
					return -1;
				w = 0;
			}
	}
}

/* The loader maps segments without a look at the file's length, and touching a page behind its end is a SIGBUS. */
static int whole_library(const char *p, size_t size)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)p;
	if (size < sizeof *e || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_ident[EI_CLASS] != ELFCLASS64 ||
	    e->e_type != ET_DYN || e->e_phentsize != sizeof(Elf64_Phdr))
		return 0;
	if (e->e_phoff % 8 || e->e_phoff > size || (size - e->e_phoff) / sizeof(Elf64_Phdr) < e->e_phnum)
		return 0;
	if (e->e_shoff > size || (size - e->e_shoff) / sizeof(Elf64_Shdr) < e->e_shnum)
		return 0;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(p + e->e_phoff);
	for (int i = 0; i < e->e_phnum; i++)
		if (ph[i].p_offset > size || ph[i].p_filesz > size - ph[i].p_offset)
			return 0;
	return 1;
}

static int check_copy(int fd, const char *path, char *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return fl_err(err, "%s can't be read: %s", path, strerror(errno));
	void *p = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	int whole = p != MAP_FAILED && whole_library(p, (size_t)st.st_size);
	if (p != MAP_FAILED)
		munmap(p, (size_t)st.st_size);
	if (!whole)
		return fl_err(err, "%s is not a whole shared library for this machine; build it again, with cc -shared -fPIC",
		              path);
	return 0;
}

int fl_module_copy(const char *path, char *err)
{
	struct stat st;
	int fd = -1, from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (from < 0 || fstat(from, &st) != 0) {
		fl_err(err, "%s can't be read: %s", path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > LARGEST) {
		fl_err(err, "%s is not a shared library: it is %s", path, S_ISREG(st.st_mode) ? "over 256 MiB" : "not a file");
		goto out;
	}
	const char *name = strrchr(path, '/');
	fd = memory_file(name ? name + 1 : path);
	if (fd < 0 || copy_bytes(from, fd) != 0) {
		fl_err(err, "%s can't be copied into memory: %s", path, strerror(errno));
		goto out;
	}
	if (check_copy(fd, path, err) != 0)
		goto out;
	close(from);
	return fd;
out:
	if (fd >= 0)
		close(fd);
	if (from >= 0)
		close(from);
	return -1;
}
