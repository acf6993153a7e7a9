#include "tools/wire/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

// Every figure of a direction: name, where it is kept.
#define FIGURES(X)                                                                                 \
	X(rx_pkts, im->stats.rx_pkts)                                                              \
	X(rx_bytes, im->stats.rx_bytes)                                                            \
	X(tx_pkts, out->tx_pkts)                                                                   \
	X(tx_bytes, out->tx_bytes)                                                                 \
	X(lost_pkts, im->stats.lost_pkts)                                                          \
	X(dup_pkts, im->stats.dup_pkts)                                                            \
	X(reordered_pkts, im->stats.reordered_pkts)                                                \
	X(corrupted_pkts, im->stats.corrupted_pkts)                                                \
	X(ce_pkts, im->stats.ce_pkts)                                                              \
	X(queue_drop_pkts, im->stats.queue_drop_pkts)                                              \
	X(queue_max_pkts, im->stats.queue_max_pkts)                                                \
	X(queue_mean_pkts, im->stats.queue_mean_pkts)                                              \
	X(queue_wait_ns, im->stats.queue_wait_ns)                                                  \
	X(rate_busy_ns, im->stats.rate_busy_ns)                                                    \
	X(rate_span_ns, im->stats.rate_span_ns)                                                    \
	X(queued_pkts, im->queued_pkts)                                                            \
	X(tx_pending_pkts, out->tx_pending_pkts)                                                   \
	X(tx_error_pkts, out->tx_error_pkts)                                                       \
	X(rx_missed_pkts, in->rx_missed_pkts)

static const char *const dir_names[DIRS] = {"ab", "ba"};

void stats_print_table(FILE *out, const struct stats_dir dirs[DIRS], uint64_t seed)
{
	fprintf(out, "outboard-wire: seed %" PRIu64 "\n%-16s %14s %14s\n", seed, "", "a to b",
		"b to a");
#define PRINT_ROW(name, where)                                                                     \
	fprintf(out, "%-16s %14" PRIu64 " %14" PRIu64 "\n", #name, dirs[DIR_AB].where,             \
		dirs[DIR_BA].where);
	FIGURES(PRINT_ROW)
#undef PRINT_ROW
	fflush(out);
}

static void print_json(FILE *f, const struct stats_dir dirs[DIRS], uint64_t seed)
{
	fprintf(f, "{\"seed\": %" PRIu64, seed);
	for (int d = 0; d < DIRS; d++) {
		const char *comma = "";

		fprintf(f, ",\n \"%s\": {\"from\": \"%s\", \"to\": \"%s\", ", dir_names[d],
			dirs[d].in->name, dirs[d].out->name);
#define PRINT_FIGURE(name, where)                                                                  \
	fprintf(f, "%s\"" #name "\": %" PRIu64, comma, dirs[d].where);                             \
	comma = ", ";
		FIGURES(PRINT_FIGURE)
#undef PRINT_FIGURE
		fputs("}", f);
	}
	fputs("}\n", f);
}

int stats_write_json(const char *path, const struct stats_dir dirs[DIRS], uint64_t seed)
{
	char temp[PATH_MAX];
	int err = 0;
	FILE *f;

	if (snprintf(temp, sizeof(temp), "%s.new", path) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	f = fopen(temp, "w");
	if (!f)
		return -errno;
	print_json(f, dirs, seed);
	if (ferror(f))
		err = -EIO;
	if (fclose(f) && !err)
		err = -errno;
	if (!err && rename(temp, path))
		err = -errno;
	if (err)
		unlink(temp);
	return err;
}
