"""Panels for notebooks: they show producers, the pipeline or a Spark job, and control them."""

from liq.web.dashboard.panels.pipeline import PipelinePanel
from liq.web.dashboard.panels.producers import ProducerPanel
from liq.web.dashboard.panels.spark import SparkPanel

__all__ = ["PipelinePanel", "ProducerPanel", "SparkPanel"]
