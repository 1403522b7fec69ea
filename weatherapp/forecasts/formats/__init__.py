"""How an answer is written: JSON, CSV and FlatBuffers, each from `reply.PlaceReply`."""
