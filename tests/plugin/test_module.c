/* Libraries: what is refused and how, replacing one under a running one, looking them up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "plugin/plugin.h"

#define MISBEHAVE BUILD "/tests/misbehave/"
#define FIXTURES BUILD "/tests/plugin/fixtures/"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/fl-module-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* The first most bytes of a file to another, in place. */
static void put(const char *from, const char *to, size_t most)
{
	static char bytes[8 << 20];
	FILE *f = fopen(from, "r");
	assert_non_null(f);
	size_t n = fread(bytes, 1, most < sizeof bytes ? most : sizeof bytes, f);
	fclose(f);
	f = fopen(to, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void refusals_name_the_file_the_versions_and_the_remedy(void **state)
{
	(void)state;
	static const struct {
		const char *file, *says[4];
	} bad[] = {
		{MISBEHAVE "other_abi.so", {"other_abi.so is built for plugin ABI 2.0", "has 1.0", "build it again", "use a fairlead of ABI 2"}},
		{MISBEHAVE "later_minor.so", {"later_minor.so is built for plugin ABI 1.99", "has 1.0", "install a newer fairlead"}},
		{MISBEHAVE "short_struct.so", {"short_struct.so", "bytes", "sizeof(struct fl_plugin)", "1.0"}},
		{MISBEHAVE "no_symbol.so", {"no_symbol.so exports no fl_plugin", "ABI 1.0"}},
		{FIXTURES "liar.so", {"liar.so", "4096 bytes (the library has 8 of it)"}},
		{FIXTURES "function.so", {"function.so exports no fl_plugin"}},
		{FIXTURES "wrong_type.so", {"option \"colour\"", "wrong_type.so", "type 77", "enum fl_option_type"}},
		{FIXTURES "wrong_offset.so", {"option \"far\"", "byte 64 and takes 8", "only 64", ".conf_size"}},
		{FIXTURES "wrong_default.so", {"wrong_default.so has a default that is none", "takes a duration", "found \"five seconds\""}},
		{FIXTURES "twice.so", {"twice.so has \"again\" twice"}},
		{FIXTURES "no_write.so", {"no_write.so has no .write"}},
		{FIXTURES "twin_a.so", {"twin_a.so calls itself \"twin\"", "rename the file"}},
		{"/nowhere/x.so", {"/nowhere/x.so can't be read: No such file"}},
		{"/tmp", {"/tmp is not a shared library: it is not a file"}},
		{"/dev/null", {"not a file"}},
		{"Makefile", {"Makefile is not a whole shared library"}},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char err[FL_ERRLEN] = "";
		struct fl_module *m = fl_module_load_file(bad[i].file, err);
		assert_null(m);
		for (int k = 0; k < 4 && bad[i].says[k]; k++)
			if (!strstr(err, bad[i].says[k]))
				fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].file, err, bad[i].says[k]);
	}
}

static void half_written_libraries_are_refused_at_any_length(void **state)
{
	(void)state;
	struct stat st;
	char path[96], err[FL_ERRLEN];
	snprintf(path, sizeof path, "%s/twin.so", dir);
	assert_int_equal(stat(FIXTURES "twin_a.so", &st), 0);
	for (size_t n = 0; n < (size_t)st.st_size; n += (size_t)st.st_size / 50) {
		put(FIXTURES "twin_a.so", path, n);
		err[0] = 0;
		assert_null(fl_module_load_file(path, err));
		assert_non_null(strstr(err, "not a whole shared library"));
	}
}

/* What the twin says of itself. */
static void assert_is(struct fl_module *m, const char *says)
{
	char err[FL_ERRLEN] = "";
	struct fl_batch none = {0};
	assert_int_equal(m->plugin->process(NULL, &none, err), -1);
	assert_string_equal(err, says);
}

static void a_replaced_library_is_loaded_beside_the_running_one(void **state)
{
	(void)state;
	char path[96], err[FL_ERRLEN];
	snprintf(path, sizeof path, "%s/twin.so", dir);
	put(FIXTURES "twin_a.so", path, SIZE_MAX);
	struct fl_module *a = fl_module_load_file(path, err);
	assert_non_null(a);
	put(FIXTURES "twin_b.so", path, SIZE_MAX);
	struct fl_module *b = fl_module_load_file(path, err);
	assert_non_null(b);
	assert_is(b, "twin b");
	assert_is(a, "twin a");
	assert_string_equal(b->path, path);
	fl_module_unref(b);
	assert_is(a, "twin a");
	struct fl_module *again = fl_module_load_file(path, err);
	assert_non_null(again);
	assert_is(again, "twin b");
	assert_is(a, "twin a");
	fl_module_unref(again);
	fl_module_unref(a);
}

static void overwriting_the_file_of_a_running_one_does_not_kill(void **state)
{
	(void)state;
	char path[96], err[FL_ERRLEN];
	snprintf(path, sizeof path, "%s/twin.so", dir);
	put(FIXTURES "twin_a.so", path, SIZE_MAX);
	struct fl_module *a = fl_module_load_file(path, err);
	assert_non_null(a);
	put("/dev/zero", path, 100000);
	assert_is(a, "twin a");
	put("/dev/null", path, 0);
	assert_is(a, "twin a");
	assert_null(fl_module_load_file(path, err));
	assert_is(a, "twin a");
	fl_module_unref(a);
}

static void references_are_counted(void **state)
{
	(void)state;
	char path[96], err[FL_ERRLEN];
	snprintf(path, sizeof path, "%s/twin.so", dir);
	put(FIXTURES "twin_a.so", path, SIZE_MAX);
	struct fl_module *m = fl_module_load_file(path, err);
	assert_non_null(m);
	assert_ptr_equal(fl_module_ref(m), m);
	fl_module_unref(m);
	assert_is(m, "twin a");
	fl_module_unref(m);
	fl_module_unref(NULL);
}

static void looked_up_in_order_by_name(void **state)
{
	(void)state;
	char sub[96], path[128], err[FL_ERRLEN];
	snprintf(sub, sizeof sub, "%s/later", dir);
	mkdir(sub, 0700);
	snprintf(path, sizeof path, "%s/twin.so", sub);
	put(FIXTURES "twin_b.so", path, SIZE_MAX);
	const char *const dirs[] = {"/nowhere", dir, sub};
	fl_plugin_dirs(dirs, 3);
	snprintf(path, sizeof path, "%s/twin.so", dir);
	unlink(path);
	struct fl_module *m = fl_module_load("twin", err);
	assert_non_null(m);
	assert_is(m, "twin b");
	fl_module_unref(m);
	put(FIXTURES "twin_a.so", path, SIZE_MAX);
	m = fl_module_load("twin", err);
	assert_non_null(m);
	assert_is(m, "twin a");
	fl_module_unref(m);

	uint32_t n;
	char **names = fl_plugin_names(&n);
	assert_int_equal(n, 1);
	assert_string_equal(names[0], "twin");
	assert_null(names[1]);
	free(names);

	assert_null(fl_module_load("twni", err));
	assert_non_null(strstr(err, "there is no plugin \"twni\" in /nowhere, "));
	assert_non_null(strstr(err, "; did you mean \"twin\"?"));
	assert_null(fl_module_load("../twin", err));
	fl_plugin_dirs(NULL, 0);
	assert_null(fl_module_load("twin", err));
	assert_string_equal(err, "there is no plugin \"twin\" in any directory, for none is set");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_name_the_file_the_versions_and_the_remedy),
		cmocka_unit_test(half_written_libraries_are_refused_at_any_length),
		cmocka_unit_test(a_replaced_library_is_loaded_beside_the_running_one),
		cmocka_unit_test(overwriting_the_file_of_a_running_one_does_not_kill),
		cmocka_unit_test(references_are_counted),
		cmocka_unit_test(looked_up_in_order_by_name),
	};
	return cmocka_run_group_tests_name("module", tests, make_dir, remove_dir);
}
