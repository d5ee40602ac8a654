"""Where the data of images lies. `base.Store` is what every kind of store is; `registry` makes those configured."""
