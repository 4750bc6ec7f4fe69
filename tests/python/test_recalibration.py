"""latgrad.recalibrate against the statistics of the whole data."""

import pytest
import torch
from torch import nn

import latgrad


def toy():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 3, 1), nn.BatchNorm2d(3))


def figures(network):
    return [buffer.clone() for buffer in network.buffers()]


def test_figures_are_averages_over_the_batches():
    network, data = toy(), torch.randn(5, 6, 2, 7, 7) * 3 + 1
    parameters = [parameter.detach().clone() for parameter in network.parameters()]
    assert latgrad.recalibrate(network, data) == 5
    conv, norm, _, _, last, last_norm = network
    with torch.no_grad():
        # The dropout is in evaluation mode: it passes everything on.
        first = [conv(batch) for batch in data]
        second = [last(((x - x.mean([0, 2, 3], True)) * (x.var([0, 2, 3], False, keepdim=True) + norm.eps).rsqrt()).relu()) for x in first]
    for module, outputs in [(norm, first), (last_norm, second)]:
        torch.testing.assert_close(module.running_mean, torch.stack([x.mean([0, 2, 3]) for x in outputs]).mean(0))
        torch.testing.assert_close(module.running_var, torch.stack([x.var([0, 2, 3]) for x in outputs]).mean(0))
    # The mean of equal batches is that of the whole data.
    torch.testing.assert_close(norm.running_mean, conv(data.flatten(0, 1)).mean([0, 2, 3]).detach())
    assert all(torch.equal(one, other) for one, other in zip(parameters, network.parameters()))
    assert all(parameter.grad is None for parameter in network.parameters())


def test_modes_and_momenta_are_what_they_were():
    network = toy()
    network[1].eval()
    network[4].eval()
    before = [module.training for module in network.modules()]
    latgrad.recalibrate(network, [(torch.randn(4, 2, 5, 5), torch.zeros(4))])
    assert [module.training for module in network.modules()] == before
    assert [network[1].momentum, network[5].momentum] == [0.3, 0.1]


def test_what_no_batch_reaches_keeps_its_figures():
    network = toy()
    network.unused = nn.BatchNorm2d(2)
    network.unused.running_mean.fill_(7)
    network.forward = lambda x: nn.Sequential(*list(network.children())[:-1])(x)
    latgrad.recalibrate(network, [torch.randn(4, 2, 5, 5)])
    assert torch.equal(network.unused.running_mean, torch.full((2,), 7.0))


def test_all_is_restored_after_an_error():
    network = toy()
    before = figures(network)
    with pytest.raises(RuntimeError):
        latgrad.recalibrate(network, [torch.randn(4, 2, 5, 5), torch.randn(4, 9, 5, 5)])
    assert network.training and network[1].training and network[1].momentum == 0.3
    assert all(torch.equal(one, other) for one, other in zip(before, figures(network)))


def test_takes_so_many_batches_of_a_data_loader():
    data = torch.utils.data.TensorDataset(torch.randn(12, 2, 5, 5), torch.zeros(12))
    network, other = toy(), toy()
    assert latgrad.recalibrate(network, torch.utils.data.DataLoader(data, 4), batches=2) == 2
    latgrad.recalibrate(other, [data.tensors[0][:4], data.tensors[0][4:8]])
    assert all(torch.equal(one, two) for one, two in zip(figures(network), figures(other)))


def test_without_batches_nothing_changes():
    network = toy()
    before = figures(network)
    with pytest.raises(ValueError, match="loader must give a batch at least"):
        latgrad.recalibrate(network, [])
    with pytest.raises(ValueError, match="batches must be at least 1, got 0"):
        latgrad.recalibrate(network, [torch.randn(4, 2, 5, 5)], batches=0)
    assert all(torch.equal(one, other) for one, other in zip(before, figures(network)))


@pytest.mark.parametrize("network", [nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False)])
def test_a_network_without_figures_is_left_alone(network):
    assert latgrad.recalibrate(network, [torch.randn(4, 2)]) == 0


def test_a_network_out_of_a_supernet_forgets_the_mixtures(tiny_space):
    space = latgrad.SearchSpace(tiny_space)
    supernet = latgrad.Supernet(space)
    valid = space.valid()
    for _ in range(20):
        supernet(torch.randn(8, 3, 32, 32), valid / valid.sum(-1, keepdim=True))
    network = supernet.network(space.parse_architecture("largest"))
    images = torch.randn(8, 8, 3, 32, 32)
    by_batch = network.train()(images[0]).detach()
    left = (network.eval()(images[0]) - by_batch).norm()
    assert latgrad.recalibrate(network, images) == 8
    assert (network(images[0]) - by_batch).norm() < 0.5 * left
