// What connections have of each option that nobody set.
#include "engine/tcp/cc.h"
#include "engine/tcp/settings.h"

uint32_t settings_configured(const struct config *c, unsigned option)
{
	const struct cc_ops *cc = cc_find(c->tcp_congestion_control);
	const uint64_t value[OB_OPT_N] = {
		[OB_OPT_NODELAY] = c->tcp_nodelay,
		[OB_OPT_QUICKACK] = c->tcp_quickack,
		[OB_OPT_KEEPALIVE] = c->tcp_keepalive,
		[OB_OPT_KEEPALIVE_IDLE] = c->tcp_keepalive_idle_s,
		[OB_OPT_KEEPALIVE_INTERVAL] = c->tcp_keepalive_interval_s,
		[OB_OPT_KEEPALIVE_COUNT] = c->tcp_keepalive_count,
		[OB_OPT_USER_TIMEOUT] = c->tcp_user_timeout_ms,
		[OB_OPT_RETRIES] = c->tcp_data_retries,
		[OB_OPT_SYN_RETRIES] = c->tcp_syn_retries,
		[OB_OPT_SYNACK_RETRIES] = c->tcp_synack_retries,
		[OB_OPT_INIT_RTO] = c->tcp_init_rto_us,
		[OB_OPT_MIN_RTO] = c->tcp_min_rto_us,
		[OB_OPT_MAX_RTO] = c->tcp_max_rto_us,
		[OB_OPT_DELACK] = c->tcp_delack_us,
		[OB_OPT_FIN_TIMEOUT] = c->tcp_fin_wait2_ms,
		[OB_OPT_INIT_CWND] = c->tcp_init_cwnd,
		[OB_OPT_LINGER] = c->tcp_linger,
		[OB_OPT_LINGER_TIME] = c->tcp_linger_time_ms,
		[OB_OPT_CONGESTION] = cc ? cc->id : OB_CC_DEFAULT,
	};

	return option < OB_OPT_N ? (uint32_t)value[option] : 0;
}
