"""What a model card says beyond the manifest: where skill is lost, layer by layer and input by input.

Measured once for a variant, when its card is asked for. It is a package of its own because everything below
`packager/verify` is part of the keys of trained stages: other words on a card must train no teacher again.
"""
