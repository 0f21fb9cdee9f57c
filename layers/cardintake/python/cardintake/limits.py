"""Every limit of our own, in one place. The providers' limits stand in their modules, an operator's in `settings`."""

# images (design: what is refused unread)
MAX_OBJECT_BYTES = 50 * 1000 * 1000
MAX_PIXELS = 100 * 1000 * 1000
MAX_DECODED_BYTES = 100 * 1000 * 1000  # except of a JPEG, which is scaled down while it is decoded; see images
MAX_SCANNED_PIXELS = 300 * 1000 * 1000  # of a JPEG with several scans: components and further scans, times pixels
MAX_SLOW_BYTES = 14 * 1000 * 1000  # of a JPEG with several scans and of a WebP: each byte costs hundreds of steps
MAX_IMAGE_PARTS = 20_000  # segments, chunks, blocks, stray bytes
MAX_EXIF_BYTES = 1000 * 1000
MAX_TAG_VALUES = 65_536  # numbers in a TIFF's directory: strips, most of all

# provider answers: the largest documented answer is a card and a portrait in base64 beside the text
MAX_ANSWER_BYTES = 32 * 1000 * 1000

# scans worked on at a time in one invocation; times the event source's MaximumConcurrency it is what a provider sees
WORKERS = 10

# seconds
WRITE_DOWN_SECONDS = 4.0  # kept back of every invocation to store how things stand
MIN_SECONDS_TO_BEGIN = 6.0  # a scan is not begun with less: claim, fetch, one provider call
CONNECT_SECONDS = 3.0  # to each of a host's addresses, and for TLS
KEEP_ALIVE_SECONDS = 50.0  # an idle connection is used again; load balancers close theirs after 60 and more
PROVIDER_SECONDS = 30.0  # one provider call at most
RETRY_ONCE_SECONDS = 0.5  # before a picture that the provider had trouble with is sent again
TRIES_IN_INVOCATION = 3  # of a call that the provider has not billed
SECRET_SECONDS = 300.0  # a secret is read again after this
SECRET_RECHECK_SECONDS = 5.0  # and while its provider is paused, after this
STATE_SECONDS = 2.0  # a provider's state is read again after this
PAUSE_SECONDS = 300  # after a configuration or quota refusal, before one probe
BREAK_SECONDS = 30  # after repeated failures, before one probe
FAILURES_TO_BREAK = 5
CAP_SECONDS = 5.0  # a spending cap that was reached is looked at again after this
TOKEN_MARGIN_SECONDS = 300.0  # before its end a token is replaced
TWIN_SECONDS = 8.0  # waiting in the invocation for the same picture's other call, or for a secret's trial

# a message sent again: SQS knows no longer delay
MAX_DELAY_SECONDS = 900
MIN_DELAY_SECONDS = 5

# members that a case, a number or a picture remembers
LINK_MEMBERS = 20
LINK_TRIES = 10  # of a final write whose case has changed since it was read

# sweep: unfinished scans of each shard of the index whose age is looked at
UNFINISHED_PAGE = 100

# records without scans
ORPHANS_PAGE = 200  # items of the table that one sweep looks at
ORPHANS_SECONDS = 86400  # from the beginning of one look at the whole table to that of the next
