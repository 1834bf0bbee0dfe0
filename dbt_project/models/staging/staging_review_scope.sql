-- Records that this build looked at: an open question about one of them is answered or asked anew.
{{ all_staged(['record_id']) }}
