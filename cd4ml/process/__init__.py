"""Programs that a run starts: bounded in time, ended as a whole, and none of them outliving it."""
