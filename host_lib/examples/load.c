#include "host_lib/examples/load.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOAD_MAGIC 0x3144424fu
#define DOWN_SEED 0x80000000u

int64_t load_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

// ---- The payload: a table of random bytes, from another place of it in each block

static uint8_t table[2 * LOAD_BLOCK_BYTES];

__attribute__((constructor)) static void make_table(void)
{
	uint64_t x = 88172645463325252ull;

	for (uint32_t i = 0; i < LOAD_BLOCK_BYTES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		table[i] = table[i + LOAD_BLOCK_BYTES] = (uint8_t)(x >> 24);
	}
}

// The payload at position `off`: *len bytes that lie behind one another.
static const uint8_t *payload(uint32_t seed, uint64_t off, size_t *len)
{
	uint64_t block = off / LOAD_BLOCK_BYTES;
	uint32_t at = (uint32_t)(off % LOAD_BLOCK_BYTES);
	uint64_t x = ((uint64_t)seed << 32 | (uint32_t)block) * 0x9e3779b97f4a7c15ull;

	*len = LOAD_BLOCK_BYTES - at;
	return table + (x >> 48) % LOAD_BLOCK_BYTES + at;
}

// ---- Connections

void load_begin_client(struct load_conn *c, const struct load_opts *o, uint64_t id)
{
	enum load_side closer = o->closer;

	if (closer == LOAD_ALTERNATE)
		closer = id % 2 ? LOAD_SERVER : LOAD_CLIENT;
	*c = (struct load_conn){
		.client = true,
		.hdr = {.magic = LOAD_MAGIC,
			.seed = (uint32_t)(id * 2654435761u) & ~DOWN_SEED,
			.up = o->bytes_up,
			.down = o->bytes_down,
			.closer = (uint8_t)closer,
			.half = (uint8_t)o->half},
		.begun_us = load_now_us(),
	};
}

void load_begin_server(struct load_conn *c)
{
	*c = (struct load_conn){.begun_us = load_now_us()};
}

static bool known(const struct load_conn *c)
{
	return c->client || c->hdr_done == sizeof(c->hdr);
}

static uint64_t tx_total(const struct load_conn *c)
{
	return c->client ? c->hdr.up : c->hdr.down;
}

static uint64_t rx_total(const struct load_conn *c)
{
	return c->client ? c->hdr.down : c->hdr.up;
}

static enum load_side me(const struct load_conn *c)
{
	return c->client ? LOAD_CLIENT : LOAD_SERVER;
}

static bool tx_ended(const struct load_conn *c)
{
	return known(c) && c->hdr_done == sizeof(c->hdr) && c->tx_done == tx_total(c);
}

static bool rx_ended(const struct load_conn *c)
{
	return known(c) && c->rx_done == rx_total(c);
}

const void *load_tx(struct load_conn *c, size_t *len)
{
	const uint8_t *p;

	if (c->client && c->hdr_done < sizeof(c->hdr)) {
		*len = sizeof(c->hdr) - c->hdr_done;
		return (const uint8_t *)&c->hdr + c->hdr_done;
	}
	if (!known(c) || c->shut || c->tx_done == tx_total(c))
		return NULL;
	if (c->hdr.half && c->hdr.half != me(c) && !c->eof)
		return NULL;
	p = payload(c->client ? c->hdr.seed : c->hdr.seed ^ DOWN_SEED, c->tx_done, len);
	if (*len > tx_total(c) - c->tx_done)
		*len = tx_total(c) - c->tx_done;
	return p;
}

void load_tx_done(struct load_conn *c, size_t len)
{
	if (c->client && c->hdr_done < sizeof(c->hdr))
		c->hdr_done += (uint32_t)len;
	else
		c->tx_done += len;
}

void load_rx(struct load_conn *c, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (!known(c)) {
		size_t part = sizeof(c->hdr) - c->hdr_done;

		if (part > len)
			part = len;
		memcpy((uint8_t *)&c->hdr + c->hdr_done, p, part);
		c->hdr_done += (uint32_t)part;
		p += part;
		len -= part;
		if (known(c) && c->hdr.magic != LOAD_MAGIC)
			c->wrong = true;
	}
	while (len && !c->wrong) {
		size_t part;
		const uint8_t *want = payload(
			c->client ? c->hdr.seed ^ DOWN_SEED : c->hdr.seed, c->rx_done, &part);

		if (part > len)
			part = len;
		if (c->rx_done + part > rx_total(c) || memcmp(p, want, part) != 0)
			c->wrong = true;
		c->rx_done += part;
		p += part;
		len -= part;
	}
}

bool load_may_read(struct load_conn *c, const struct load_opts *o, int64_t now_us)
{
	if (o->pause_read_s > 0 && !c->paused && known(c) && c->rx_done >= rx_total(c) / 2) {
		c->paused = true;
		c->resume_us = now_us + (int64_t)(o->pause_read_s * 1e6);
	}
	if (c->resume_us && now_us < c->resume_us)
		return false;
	c->resume_us = 0;
	return true;
}

static enum load_act act_half(const struct load_conn *c)
{
	if (c->hdr.half == me(c)) {
		if (tx_ended(c) && !c->shut)
			return LOAD_SHUT;
		if (c->eof)
			return c->shut && rx_ended(c) ? LOAD_CLOSE : LOAD_FAIL;
		return LOAD_WAIT;
	}
	if (!c->eof)
		return LOAD_WAIT;
	return !rx_ended(c) ? LOAD_FAIL : tx_ended(c) ? LOAD_CLOSE : LOAD_WAIT;
}

enum load_act load_act(struct load_conn *c, const struct load_opts *o, int64_t now_us)
{
	if (c->wrong)
		return LOAD_FAIL;
	if (!known(c))
		return c->eof ? LOAD_FAIL : LOAD_WAIT;
	if (c->hdr.half)
		return act_half(c);
	if (c->hdr.closer != me(c)) {
		if (!c->eof)
			return LOAD_WAIT;
		return rx_ended(c) && tx_ended(c) ? LOAD_CLOSE : LOAD_FAIL;
	}
	if (c->eof)
		return LOAD_FAIL;
	if (!tx_ended(c) || !rx_ended(c))
		return LOAD_WAIT;
	if (!c->close_us)
		c->close_us = now_us + (int64_t)(o->hold_s * 1e6);
	return now_us >= c->close_us ? LOAD_CLOSE : LOAD_WAIT;
}

// ---- Counting

size_t load_allowance(
	const struct load_opts *o, const struct load_stats *s, int64_t begun_us, int64_t now_us)
{
	uint64_t may;

	if (!o->rate)
		return SIZE_MAX;
	may = (uint64_t)((double)o->rate / o->threads * (double)(now_us - begun_us) / 1e6);
	return may > s->bytes_sent ? may - s->bytes_sent : 0;
}

void load_ended(struct load_stats *s, const struct load_conn *c, bool well, int64_t now_us)
{
	uint64_t took_us = (uint64_t)(now_us - c->begun_us);

	s->completed += well;
	s->failed += !well;
	s->wrong += c->wrong;
	s->sum_us += took_us;
	if (took_us > s->longest_us)
		s->longest_us = took_us;
}

void load_error(struct load_stats *s, int error, const char *what)
{
	s->errors++;
	if (s->first_what)
		return;
	s->first_error = error;
	s->first_what = what;
}

void load_merge(struct load_stats *into, const struct load_stats *s)
{
	into->started += s->started;
	into->completed += s->completed;
	into->failed += s->failed;
	into->wrong += s->wrong;
	into->bytes_sent += s->bytes_sent;
	into->bytes_received += s->bytes_received;
	into->errors += s->errors;
	into->sum_us += s->sum_us;
	if (s->longest_us > into->longest_us)
		into->longest_us = s->longest_us;
	if (s->first_what && !into->first_what) {
		into->first_error = s->first_error;
		into->first_what = s->first_what;
	}
}

int load_print(const struct load_opts *o, const struct load_stats *s, double seconds_taken)
{
	uint64_t n = s->completed + s->failed;
	bool all = s->failed == 0 && s->errors == 0 && (o->conns == 0 || s->completed == o->conns);

	printf("{\"role\": \"%s\", \"ok\": %s, \"conns\": %llu, \"completed\": %llu, "
	       "\"failed\": %llu, \"wrong\": %llu, \"errors\": %llu, \"first_error\": \"%s%s%s\", "
	       "\"bytes_sent\": %llu, \"bytes_received\": %llu, \"seconds\": %.3f, "
	       "\"conns_per_s\": %.1f, \"mb_per_s\": %.1f, \"mean_ms\": %.3f, \"max_ms\": %.3f}\n",
		o->connect ? "client" : "server", all ? "true" : "false",
		(unsigned long long)s->started, (unsigned long long)s->completed,
		(unsigned long long)s->failed, (unsigned long long)s->wrong,
		(unsigned long long)s->errors, s->first_what ? s->first_what : "",
		s->first_what ? ": " : "", s->first_what ? strerror(-s->first_error) : "",
		(unsigned long long)s->bytes_sent, (unsigned long long)s->bytes_received,
		seconds_taken, seconds_taken > 0 ? (double)n / seconds_taken : 0,
		seconds_taken > 0
			? (double)(s->bytes_sent + s->bytes_received) / seconds_taken / 1e6
			: 0,
		n ? (double)s->sum_us / (double)n / 1e3 : 0, (double)s->longest_us / 1e3);
	fflush(stdout);
	return all ? 0 : 1;
}
