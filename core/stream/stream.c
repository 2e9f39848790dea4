/* What all kinds of streams share: the partition of a key, and the end of an atomic step. Called on any thread. */
#include "stream.h"

#include <stdlib.h>

void fl_txn_free(struct fl_txn *txn)
{
	if (!txn)
		return;
	for (uint32_t i = 0; i < txn->appends; i++)
		fl_segment_unref(txn->append[i].segment);
	free(txn->append);
	free(txn->position);
	free(txn);
}

/* MurmurHash2 with the seed that Java's Kafka client has. */
static uint32_t murmur2(const unsigned char *p, uint32_t len)
{
	const uint32_t m = 0x5bd1e995;
	uint32_t h = 0x9747b28cu ^ len, left = len;
	for (; left >= 4; left -= 4, p += 4) {
		uint32_t k = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		k *= m;
		k ^= k >> 24;
		h = h * m ^ k * m;
	}
	if (left >= 3)
		h ^= (uint32_t)p[2] << 16;
	if (left >= 2)
		h ^= (uint32_t)p[1] << 8;
	if (left >= 1)
		h = (h ^ p[0]) * m;
	h = (h ^ h >> 13) * m;
	return h ^ h >> 15;
}

uint32_t fl_partition_of(struct fl_str key, uint64_t turn, uint32_t partitions)
{
	FL_ASSERT(partitions > 0);
	if (!key.p)
		return (uint32_t)(turn % partitions);
	return (murmur2((const unsigned char *)key.p, key.len) & 0x7fffffff) % partitions;
}
