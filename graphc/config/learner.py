"""The SGD section: what the learner does in each epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphc.config.reading import read_section
from graphc.config.schedule import Schedule, rows_of, single
from graphc.diagnostics import Diagnostic, DiagnosticError, Label, Span, suggest
from graphc.syntax.configuration import ConfigurationRecord

_RATES = ("learningRatesPerSample", "learningRatesPerMB")
_MOMENTA = ("momentumPerMB", "momentumAsTimeConstant", "momentumPerSample")


@dataclass(frozen=True)
class SGDSettings:
    """Settings of plain SGD and its relatives. Epochs count from 0; rates apply to sums of per-sample gradients.

    ``row_length`` is the frames of a row of truncated sequences, 0 where the reader gives whole ones.
    """

    max_epochs: int
    epoch_size: int
    minibatch_size: Schedule[int]
    learning_rates_per_sample: Schedule[float] | None
    learning_rates_per_mb: Schedule[float] | None
    min_learning_rate_per_sample: float
    momentum_per_mb: Schedule[float] | None
    momentum_as_time_constant: Schedule[float] | None
    momentum_per_sample: Schedule[float] | None
    use_nag: bool
    dropout_rate: Schedule[float]
    l2_reg_weight: float
    l1_reg_weight: float
    gradient_clipping_with_truncation: bool
    clipping_threshold_per_sample: float
    grad_update_type: str
    gaussian_noise_inject_std: Schedule[float]
    norm_with_ave_multiplier: bool
    rms_wgt_inc: float
    rms_wgt_dec: float
    rms_wgt_max: float
    rms_wgt_min: float
    rms_gamma: float
    variance_time_constant: float
    fs_adagrad_target_av_denom: float
    disable_reg_in_batch_normalization: bool
    batch_normalization_time_constant: Schedule[float] | None
    batch_normalization_blend_time_constant: Schedule[float] | None
    keep_check_point_files: bool
    use_all_data_for_pre_computed_node: bool
    train_criterion_node_name: str
    eval_criterion_node_name: str
    truncated: bool
    trace_level: int
    num_mbs_to_show_result: int
    first_mbs_to_show_result: int
    trace_node_names_real: tuple[str, ...]
    trace_node_names_category: tuple[str, ...]
    trace_node_names_sparse: tuple[str, ...]
    spans: Mapping[str, Span]
    row_length: int = 0

    def learning_rate(self, epoch: int) -> float:
        """Rate per sample, factor of the summed gradient: as given, or a minibatch's rate over its configured size."""
        if self.learning_rates_per_sample is not None:
            return self.learning_rates_per_sample.value(epoch)
        assert self.learning_rates_per_mb is not None
        return single(self.learning_rates_per_mb.value(epoch) / self._size_of_rates(epoch))

    def momentum(self, epoch: int) -> float:
        """Momentum per sample, a factor m such that an update over N samples decays the smoothed gradient by m^N."""
        if self.momentum_per_sample is not None:
            return self.momentum_per_sample.value(epoch)
        if self.momentum_as_time_constant is not None:
            constant = self.momentum_as_time_constant.value(epoch)
            # CNTK keeps it as a float, which its log shows: 2500 becomes 2499.8
            return single(math.exp(-1 / constant)) if constant > 0 else 0.0
        momentum = self.momentum_per_mb.value(epoch) if self.momentum_per_mb else single(0.9)
        return momentum ** (1 / self._size_of_rates(epoch))

    def _size_of_rates(self, epoch: int) -> int:
        """What a value for a whole minibatch is divided by. (For truncated sequences CNTK takes the configured size
        to be that of one row.)"""
        size = self.minibatch_size.value(epoch)
        is_of_a_row = self.truncated and self.row_length > 0 and size > 1
        return size * rows_of(size, self.row_length) if is_of_a_row else size

    def momentum_time_constant(self, epoch: int) -> float:
        """The momentum as the number of samples in which it decays to 1/e: what the log calls by that name."""
        momentum = self.momentum(epoch)
        if momentum >= 1:
            return math.inf  # as enormous constants are, rounded
        return -1 / math.log(momentum) if momentum > 0 else 0.0


def read_sgd(record: ConfigurationRecord) -> SGDSettings:
    """The settings of an ``SGD`` section."""
    reading = read_section(record, "SGD")
    arguments = reading.arguments(SGDSettings)
    if reading.values["use_adagrad"]:
        arguments["grad_update_type"] = "AdaGrad"
    _check(record, reading.values, reading.spans)
    return SGDSettings(**arguments)


def _check(record: ConfigurationRecord, values: Mapping[str, Any], spans: Mapping[str, Span]) -> None:
    rates = [name for name in _RATES if name in spans]
    if not rates:
        raise _no_rate(record)
    _exclusive(record, rates)
    _exclusive(record, [name for name in _MOMENTA if name in spans])
    largest = max(values["minibatch_size"].values)
    if 0 < values["epoch_size"] < largest:
        label = (Label("minibatchSize is set", spans["minibatchSize"]),) if "minibatchSize" in spans else ()
        message = f"epochSize {values['epoch_size']} is smaller than minibatchSize {largest}"
        raise DiagnosticError(Diagnostic("GC0503", message, spans["epochSize"], label))


def _no_rate(record: ConfigurationRecord) -> DiagnosticError:
    for key in record.own_keys():
        meant = None if key.lower() in record.context.known_keys else suggest(key, _RATES)
        if meant:
            return record.missing(meant)
    message = f"{':'.join(record.path)} has no learning rate"
    return DiagnosticError(Diagnostic("GC0501", message, record.span, hint=f"set {_RATES[0]} or {_RATES[1]}"))


def _exclusive(record: ConfigurationRecord, names: list[str]) -> None:
    if len(names) > 1:
        first, second = (record.key_span(name) for name in names[:2])
        message = f"{names[0]} and {names[1]} exclude each other"
        raise DiagnosticError(
            Diagnostic("GC0504", message, second, (Label(f"{names[0]} is set", first),), "keep one of them")
        )
