#include "engine/tcp/isn.h"

#include <sodium.h>

#include "engine/base/seq.h"

static_assert(crypto_shorthash_KEYBYTES == STATE_KEY_BYTES, "SipHash-2-4");
static_assert(crypto_shorthash_siphashx24_KEYBYTES == STATE_KEY_BYTES, "SipHash-x-2-4");
static_assert(crypto_shorthash_siphashx24_BYTES == 16, "a name fits in a TIME-WAIT entry");

static uint32_t hash32(const uint8_t *key, const struct seg_tuple *t)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint32_t h;

	crypto_shorthash(out, (const uint8_t *)t, sizeof(*t), key);
	memcpy(&h, out, sizeof(h));
	return h;
}

uint32_t isn_make(const struct state_secrets *k, const struct seg_tuple *t, uint64_t now_us)
{
	// RFC 6528 section 3: ISN = M + F(localip, localport, remoteip, remoteport, secretkey)
	return (uint32_t)(now_us / 4) + hash32(k->isn, t);
}

uint32_t isn_beyond(uint32_t isn, uint32_t snd_nxt)
{
	return seq_gt(isn, snd_nxt) ? isn : snd_nxt + 1 + (isn & 0xffff);
}

uint32_t isn_ts_offset(const struct state_secrets *k, const struct seg_tuple *t)
{
	return hash32(k->ts, t);
}

void isn_tw_key(const struct state_secrets *k, const struct seg_tuple *t, uint8_t out[16])
{
	crypto_shorthash_siphashx24(out, (const uint8_t *)t, sizeof(*t), k->tw);
}
