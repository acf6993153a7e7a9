// The application binary interface between engine and host library: basic types and limits.
//
// Everything under shared/ is laid out for memory that two processes map. Addresses inside it are
// offsets from the start of the segment, integers are in host byte order, and each structure is
// asserted to have the size that both sides agreed on. A change of layout raises OB_ABI_VERSION.
#ifndef OB_SHARED_ABI_H
#define OB_SHARED_ABI_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define OB_ABI_MAGIC 0x31445242554f5f42ull // "B_OUBRD1" read as little endian
#define OB_ABI_VERSION 2u

#define OB_CACHE_LINE 64u
#define OB_ENTRY_BYTES 64u // one request or event

#define OB_MAX_CHANNELS 128u // per host
#define OB_MAX_SLOTS (1u << 22) // per host
#define OB_MAX_LISTENERS 256u // per host
#define OB_MIN_RING_ORDER 4u // 16 entries
#define OB_MAX_RING_ORDER 16u // 65,536 entries
#define OB_MIN_RX_BUF 512u // bytes
#define OB_MAX_RX_BUF (1u << 20) // bytes
#define OB_MAX_SEGMENT (1ull << 38) // bytes; an offset fits in 40 bits of a span
#define OB_NAME_BYTES 32u

// An IPv6 address, or an IPv4 address in its mapped form ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
struct ob_addr {
	uint8_t b[16];
};
static_assert(sizeof(struct ob_addr) == 16, "ABI: an address is 16 bytes");

// v4_be: an IPv4 address in network byte order.
static inline struct ob_addr ob_addr_v4(uint32_t v4_be)
{
	struct ob_addr a = {.b = {[10] = 0xff, [11] = 0xff}};

	memcpy(&a.b[12], &v4_be, 4);
	return a;
}

static inline bool ob_addr_is_v4(const struct ob_addr *a)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(a->b, prefix, sizeof(prefix)) == 0;
}

// The IPv4 address in network byte order; meaningful when ob_addr_is_v4().
static inline uint32_t ob_addr_get_v4(const struct ob_addr *a)
{
	uint32_t v4_be;

	memcpy(&v4_be, &a->b[12], 4);
	return v4_be;
}

// The unspecified address: all zero, or the mapped 0.0.0.0.
static inline bool ob_addr_is_any(const struct ob_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->b, zero, 16) == 0 || (ob_addr_is_v4(a) && ob_addr_get_v4(a) == 0);
}

static inline bool ob_addr_eq(const struct ob_addr *a, const struct ob_addr *b)
{
	return memcmp(a->b, b->b, 16) == 0;
}

#endif
