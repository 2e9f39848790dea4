// The shim around simdjson's first stage; the only file that includes simdjson. Called by the JSON codec, on the
// thread that owns the batch. The implementation for the machine's processor is picked at run time by the library.
#include "index.h"

#include <memory>
#include <new>
#include <simdjson.h>

extern "C" {
#include "../base/err.h"
}

struct fl_index {
	std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

static constexpr uint32_t START = 16384; // bytes of a text before its memory must grow

// Fails for want of memory only, which nothing here survives.
static void grow(struct fl_index *x, uint32_t len)
{
	uint64_t capacity = START;
	while (capacity < len)
		capacity *= 2;
	const simdjson::implementation *best = simdjson::get_active_implementation(); // for this processor
	auto failed = x->parser ? x->parser->set_capacity(capacity)
	                        : best->create_dom_parser_implementation(capacity, 1, x->parser);
	FL_ASSERT(!failed);
}

extern "C" struct fl_index *fl_index_new(void)
{
	auto *x = new (std::nothrow) fl_index{};
	FL_ASSERT(x);
	return x;
}

extern "C" void fl_index_free(struct fl_index *x)
{
	delete x;
}

extern "C" int fl_index_text(struct fl_index *x, const char *p, uint32_t len, const uint32_t **at, uint32_t *n)
{
	if (!x->parser || x->parser->capacity() < len)
		grow(x, len);
	if (x->parser->stage1((const uint8_t *)p, len, simdjson::stage1_mode::regular))
		return -1;
	*at = x->parser->structural_indexes.get();
	*n = x->parser->n_structural_indexes;
	return 0;
}
