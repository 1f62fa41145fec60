"""The operations that CNTK names and nobody can run here, each with the reason."""

UNSUPPORTED = {
    "CRF": "CNTK's library has no function for it",
    "GMMLogLikelihood": "CNTK declares it but cannot run it",
    "LatticeSequenceWithSoftmax": "it needs lattice files of a speech recogniser",
    "NCEBasedCrossEntropyWithSoftmax": "CNTK's library has no function for it",
    "SequenceDecoder": "CNTK's library has no function for it",
    "SequenceWithSoftmax": "it needs lattice files of a speech recogniser",
    "Shift": "CNTK declares it but cannot run it",
}
