"""A model of one's own in a training loop of one's own: two lines of haa.

    python examples/own_model.py

The model tells on which side of a noisy picture a bright patch lies. Its Grad-CAM at the last convolution is pulled to
the patch, where (made-up) people looked.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

import haa
from haa.attention import GradCAM, measure
from haa.metrics.functional import nss


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()
        )
        self.head = nn.Linear(32 * 8 * 8, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(image).flatten(1))


def pictures(count: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Noise with a bright patch of 8 x 8 on the left or on the right, at which everybody looked."""
    image = torch.rand(count, 3, 32, 32, generator=generator)
    corner = torch.randint(0, 25, (count, 2), generator=generator)
    for picture, (x, y) in zip(image, corner.tolist(), strict=True):
        picture[:, y : y + 8, x : x + 8] += 0.5
    looks = corner[:, None] + 3.5 + torch.randn(count, 5, 2, generator=generator)
    return {"image": image, "fixations": looks, "label": (corner[:, 0] > 12).long()}


def train(weight: float, steps: int = 150) -> tuple[float, float]:
    """Accuracy, and the NSS of Grad-CAM at the fixations, on pictures not seen in training."""
    torch.manual_seed(0)
    data = torch.Generator().manual_seed(1)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    source = GradCAM("features.3")
    aligned = haa.align(model, source, weight=weight)  # <- one
    for _ in range(steps):
        batch = pictures(32, data)
        loss = F.cross_entropy(model(batch["image"]), batch["label"])
        loss = aligned(loss, batch)  # <- two
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    aligned.detach()

    batch = pictures(500, torch.Generator().manual_seed(2))
    accuracy = (model(batch["image"]).argmax(1) == batch["label"]).float().mean()
    maps = measure(source, model, batch["image"])
    maps = F.interpolate(maps[:, None], (32, 32), mode="bilinear")[:, 0]
    return accuracy.item(), nss(maps, batch["fixations"]).mean().item()


if __name__ == "__main__":
    for weight in (0.0, 0.2):
        accuracy, score = train(weight)
        print(f"weight {weight}: accuracy {accuracy:.2f}, NSS of Grad-CAM {score:.2f}")
