"""Commands that share a description of a network share the network where it is only looked at."""

from __future__ import annotations

from pathlib import Path

from graphc.actions.check import Check, check
from graphc.actions.networks import DescribedNetworks, Networks
from graphc.syntax.configuration import configuration_from_text

COMMANDS = """
command = Edit:Train:Test
Edit = [ action = edit ; outputModelPath = "saved" ; BrainScriptNetworkBuilder = {other} ]
Train = [ action = train ; modelPath = "m" ; SGD = [ maxEpochs = 1 ; learningRatesPerMB = 1 ] ; reader = {reader} ]
Test = [ action = test ; reader = {reader} ]
BrainScriptNetworkBuilder = {network}
"""
READER = '[ file = "f" ; input = [ x = [ dim = 3 ; format = "dense" ] ] ]'
PLAIN = "{ x = Input {3} ; criterionNodes = (ReduceSum (LinearLayer {2} (x))) }"
LOADING = """{
    net = BS.Network.Load ("saved")
    x = net.x
    criterionNodes = (ReduceSum (net.h))
}"""
OTHER = "{ x = Input {3} ; h = LinearLayer {2} (x) ; outputNodes = (h) }"


def checked(network: str, networks_of: type[Networks]) -> Check:
    text = COMMANDS.format(network=network, reader=READER, other=OTHER)
    result = check(configuration_from_text(text), networks_of=networks_of)
    assert not result.found.found
    return result


def test_a_description_is_built_once_for_whoever_only_looks() -> None:
    _, train, test = checked(PLAIN, DescribedNetworks).networks
    assert train.network is test.network


def test_in_a_run_every_command_has_a_network_of_its_own() -> None:
    _, train, test = checked(PLAIN, Networks).networks
    assert train.network is not test.network
    assert list(train.network.names) == list(test.network.names)


def test_what_loads_a_model_is_built_for_each(tmp_path: Path) -> None:
    _, train, test = checked(LOADING, DescribedNetworks).networks
    assert train.network is not test.network
