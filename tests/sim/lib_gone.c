// The one look inside the library: a process that is killed closes its socket without a word.
#include "tests/sim/lib_gone.h"

#include <unistd.h>

#include "host_lib/lib.h"

void lib_gone(struct ob_host *h)
{
	close(h->ctl_fd);
	h->ctl_fd = -1; // nothing is asked of the engine any more
	ob_detach(h);
}
